// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.config.HttpConfig.Login;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/** Basic Auth in front of the metrics. */
final class MetricsGuard {
    private static final String SCHEME = "Basic ";

    /** Null: everyone is admitted. */
    private final byte @Nullable [] digest;

    MetricsGuard(@Nullable Login login) {
        this.digest = login == null
                ? null
                : digest(login.user() + ":" + login.password().text());
    }

    /** Compares digests in constant time, so that neither the time nor the length of the login shows. */
    boolean admits(@Nullable String authorization) {
        if (digest == null) {
            return true;
        }
        if (authorization == null || !authorization.regionMatches(true, 0, SCHEME, 0, SCHEME.length())) {
            return false;
        }
        try {
            byte[] login = Base64.getDecoder()
                    .decode(authorization.substring(SCHEME.length()).strip());
            return MessageDigest.isEqual(digest, sha256(login));
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private static byte[] digest(String login) {
        return sha256(login.getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
