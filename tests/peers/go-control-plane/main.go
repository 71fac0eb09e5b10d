// SPDX-License-Identifier: Apache-2.0

// A management server for the black-box tests, made of go-control-plane's snapshot cache: ADS and the
// services of each type, state of the world and delta, over TLS. Each line on standard input is a
// snapshot, {"version": "1", "resources": [{"@type": "…", …}, …]}, for all nodes; what clients answer is
// printed, a line each.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	secretservice "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
)

const nodeGroup = "all"

type oneGroup struct{}

func (oneGroup) ID(*corev3.Node) string { return nodeGroup }

type snapshotLine struct {
	Version   string            `json:"version"`
	Resources []json.RawMessage `json:"resources"`
}

func readSnapshot(text []byte) (*cache.Snapshot, error) {
	var line snapshotLine
	if err := json.Unmarshal(text, &line); err != nil {
		return nil, err
	}
	resources := map[resource.Type][]types.Resource{
		resource.ClusterType: {}, resource.EndpointType: {}, resource.ListenerType: {},
		resource.RouteType: {}, resource.SecretType: {},
	}
	for _, raw := range line.Resources {
		var packed anypb.Any
		if err := protojson.Unmarshal(raw, &packed); err != nil {
			return nil, err
		}
		message, err := packed.UnmarshalNew()
		if err != nil {
			return nil, err
		}
		resources[packed.TypeUrl] = append(resources[packed.TypeUrl], message)
	}
	return cache.NewSnapshot(line.Version, resources)
}

var output sync.Mutex

func say(format string, arguments ...any) {
	output.Lock()
	defer output.Unlock()
	fmt.Printf(format+"\n", arguments...)
}

func sayAnswer(variant, typeURL, version string, detail string, refused bool) {
	if refused {
		say("NACK %s %s version=%s: %q", variant, typeURL, version, detail)
	} else {
		say("ACK %s %s version=%s", variant, typeURL, version)
	}
}

func callbacks() server.Callbacks {
	return server.CallbackFuncs{
		StreamOpenFunc: func(context.Context, int64, string) error {
			say("OPEN sotw")
			return nil
		},
		DeltaStreamOpenFunc: func(context.Context, int64, string) error {
			say("OPEN delta")
			return nil
		},
		StreamRequestFunc: func(_ int64, request *discovery.DiscoveryRequest) error {
			if request.ResponseNonce != "" {
				sayAnswer("sotw", request.TypeUrl, request.VersionInfo,
					request.ErrorDetail.GetMessage(), request.ErrorDetail != nil)
			}
			return nil
		},
		StreamDeltaRequestFunc: func(_ int64, request *discovery.DeltaDiscoveryRequest) error {
			if request.ResponseNonce != "" {
				sayAnswer("delta", request.TypeUrl, "-",
					request.ErrorDetail.GetMessage(), request.ErrorDetail != nil)
			}
			return nil
		},
	}
}

func serverCredentials(certPath, keyPath, clientCAPath string) (grpc.ServerOption, error) {
	pair, err := tls.LoadX509KeyPair(certPath, keyPath)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if clientCAPath != "" {
		pem, err := os.ReadFile(clientCAPath)
		if err != nil {
			return nil, err
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: no certificate", clientCAPath)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return grpc.Creds(credentials.NewTLS(config)), nil
}

func serve(listener net.Listener, snapshots cache.SnapshotCache, options ...grpc.ServerOption) error {
	xds := server.NewServer(context.Background(), snapshots, callbacks())
	grpcServer := grpc.NewServer(options...)
	discovery.RegisterAggregatedDiscoveryServiceServer(grpcServer, xds)
	clusterservice.RegisterClusterDiscoveryServiceServer(grpcServer, xds)
	endpointservice.RegisterEndpointDiscoveryServiceServer(grpcServer, xds)
	listenerservice.RegisterListenerDiscoveryServiceServer(grpcServer, xds)
	routeservice.RegisterRouteDiscoveryServiceServer(grpcServer, xds)
	secretservice.RegisterSecretDiscoveryServiceServer(grpcServer, xds)
	return grpcServer.Serve(listener)
}

func readSnapshots(snapshots cache.SnapshotCache) error {
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 64<<20)
	for scanner.Scan() {
		snapshot, err := readSnapshot(scanner.Bytes())
		if err == nil {
			err = snapshots.SetSnapshot(context.Background(), nodeGroup, snapshot)
		}
		if err != nil {
			return err
		}
		say("SNAPSHOT %s", snapshot.GetVersion(resource.ClusterType))
	}
	return scanner.Err()
}

func main() {
	address := flag.String("listen", "127.0.0.1:0", "address")
	certPath := flag.String("cert", "", "PEM certificate chain")
	keyPath := flag.String("key", "", "PEM private key")
	clientCAPath := flag.String("client-ca", "", "PEM certificates that sign clients")
	flag.Parse()

	var options []grpc.ServerOption
	if *certPath != "" {
		option, err := serverCredentials(*certPath, *keyPath, *clientCAPath)
		if err != nil {
			log.Fatal(err)
		}
		options = append(options, option)
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	snapshots := cache.NewSnapshotCache(true, oneGroup{}, nil)
	say("LISTENING %s", listener.Addr())
	go func() { log.Fatal(serve(listener, snapshots, options...)) }()
	if err := readSnapshots(snapshots); err != nil {
		log.Fatal(err)
	}
}
