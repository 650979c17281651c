// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.redis;

import static dev.flk.program.config.Quantities.matching;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import java.net.URI;
import java.net.URISyntaxException;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A Redis server, which other backends may share.
 *
 * @param uri the URI of the server, which is the value of {@code REDIS_URI} or is built from {@code REDIS_ADDR}; it can
 *     contain a password
 * @param timeout the time limit of each call, and of opening a network connection
 */
public record RedisConfig(Secret uri, Duration timeout) {
    private static final Pattern HOST_AND_PORT = Pattern.compile("[^\\s:/]+:[0-9]{1,5}");
    private static final Pattern REDIS_URI_FORM = Pattern.compile(
            "(rediss?|redis\\+(ssl|tls)|redis[-+]socket)://[^\\s#]+|rediss?-sentinel://[^\\s#]+(#[^\\s#]+|[?&]sentinelMasterId=\\S+)");
    public static final Key<Duration> DEDUP_TIMEOUT = Key.of(
                    "DEDUP_TIMEOUT",
                    Quantities.duration(Duration.ofMillis(10), Duration.ofSeconds(60)),
                    "How long a call to Redis or Postgres may take.")
            .or("1s");
    public static final Key<String> REDIS_URI = Key.of(
                    "REDIS_URI",
                    RedisConfig::redisUri,
                    "The Redis server or its Sentinels, such as `rediss://:password@host:6379`.")
            .mayHoldPassword();
    public static final Key<String> REDIS_ADDR = Key.of(
            "REDIS_ADDR",
            RedisConfig::hostAndPort,
            "The Redis server as `host:port` without a password, instead of `REDIS_URI`.");

    /**
     * Reads the settings of the Redis server.
     *
     * @param neededBy the setting and value that need the server
     */
    public static RedisConfig read(Settings settings, String neededBy) {
        Optional<String> uri = settings.find(REDIS_URI);
        Optional<String> address = settings.find(REDIS_ADDR);
        boolean isUriGiven = settings.isGiven(REDIS_URI);
        settings.require(
                isUriGiven != settings.isGiven(REDIS_ADDR),
                "REDIS_URI, REDIS_ADDR: %s set, and %s needs one; set exactly one of the two"
                        .formatted(isUriGiven ? "both are" : "none is", neededBy));
        return new RedisConfig(
                new Secret(uri.or(() -> address.map(hostAndPort -> "redis://" + hostAndPort))
                        .orElse("")),
                settings.get(DEDUP_TIMEOUT));
    }

    private static String hostAndPort(String text) {
        String matched = matching(HOST_AND_PORT, "not host:port").apply(text);
        int unused = Quantities.port(matched.substring(matched.indexOf(':') + 1));
        return matched;
    }

    private static String redisUri(String text) {
        String otherwise = "not a Redis URI; write it like redis://host:6379, rediss://:password@host:6379 or "
                + "redis-sentinel://host1:26379,host2:26379#primary, with special characters as in %40 for @";
        try {
            URI uri = new URI(matching(REDIS_URI_FORM, otherwise).apply(text));
            String authority = String.valueOf(uri.getRawAuthority());
            if (authority.indexOf('@') != authority.lastIndexOf('@')) {
                // the client would mistake a part of the password for the host
                throw new IllegalArgumentException(otherwise);
            }
            return uri.toString();
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(otherwise, e);
        }
    }
}
