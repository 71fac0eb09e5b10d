// SPDX-License-Identifier: Apache-2.0
#include "src/matcher/re2_shim.h"

#include <cstdio>
#include <re2/re2.h>
#include <string>

struct re2_pattern {
    re2_pattern(const char *text, size_t len, const RE2::Options &options) noexcept
        : regex(re2::StringPiece(text, len), options) {
    }
    RE2 regex;
};

static void say(const std::string &text, char *reason, size_t reason_bytes) noexcept {
    std::snprintf(reason, reason_bytes, "%s", text.c_str());
}

struct re2_pattern *re2_pattern_new(const char *text, size_t len, char *reason,
                                    size_t reason_bytes) {
    return [&]() noexcept -> struct re2_pattern * {
        RE2::Options options(RE2::Quiet);
        options.set_encoding(RE2::Options::EncodingLatin1);
        auto *pattern = new re2_pattern(text, len, options);
        if (!pattern->regex.ok()) {
            say(pattern->regex.error(), reason, reason_bytes);
            delete pattern;
            return nullptr;
        }
        return pattern;
    }
    ();
}

void re2_pattern_free(struct re2_pattern *pattern) {
    delete pattern;
}

int re2_pattern_program_size(const struct re2_pattern *pattern) {
    return pattern->regex.ProgramSize();
}

int re2_pattern_full_match(const struct re2_pattern *pattern, const char *text, size_t len) {
    return [&]() noexcept {
        return RE2::FullMatch(re2::StringPiece(text, len), pattern->regex) ? 1 : 0;
    }();
}

int re2_pattern_partial_match(const struct re2_pattern *pattern, const char *text, size_t len) {
    return [&]() noexcept {
        return RE2::PartialMatch(re2::StringPiece(text, len), pattern->regex) ? 1 : 0;
    }();
}

int re2_pattern_check_rewrite(const struct re2_pattern *pattern, const char *rewrite, size_t len,
                              char *reason, size_t reason_bytes) {
    return [&]() noexcept {
        std::string error;
        if (pattern->regex.CheckRewriteString(re2::StringPiece(rewrite, len), &error)) {
            return 1;
        }
        say(error, reason, reason_bytes);
        return 0;
    }();
}

void re2_pattern_replace_all(const struct re2_pattern *pattern, const char *text, size_t len,
                             const char *rewrite, size_t rewrite_len,
                             void (*take)(void *arg, const char *text, size_t len), void *arg) {
    [&]() noexcept {
        std::string result(text, len);
        RE2::GlobalReplace(&result, pattern->regex, re2::StringPiece(rewrite, rewrite_len));
        take(arg, result.data(), result.size());
    }();
}
