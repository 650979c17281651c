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
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A Redis server, or a Redis Cluster, which other backends may share.
 *
 * @param uri the URI of the server, which is the value of {@code REDIS_URI} or is built from {@code REDIS_ADDR}; it can
 *     contain a password and, for a cluster, several hosts
 * @param timeout the time limit of each call, and of opening a network connection
 * @param tag the hash tag of all keys in a cluster, without braces, which determines their slot; empty without a cluster
 */
public record RedisConfig(Secret uri, Duration timeout, String tag) {
    private static final Pattern HOSTS_AND_PORTS = Pattern.compile("[^\\s:/,]+:[0-9]{1,5}(,[^\\s:/,]+:[0-9]{1,5})*");
    private static final Pattern REDIS_URI_FORM = Pattern.compile(
            "(rediss?|redis\\+(ssl|tls)|redis[-+]socket)://[^\\s#]+|rediss?-sentinel://[^\\s#]+(#[^\\s#]+|[?&]sentinelMasterId=\\S+)");
    /** A URI: everything before its hosts, the hosts, everything after them. */
    private static final Pattern HOSTS = Pattern.compile("([^:]+://(?:[^/?]*@)?)([^/?]*)(.*)");
    /** The rest of a URI that chooses no other database than 0. */
    private static final Pattern DATABASE_0 = Pattern.compile("/?0?(\\?.*)?");

    private static final Pattern OTHER_DATABASE = Pattern.compile("(?i)[?&](database|db)=(?!0(&|$))");

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
            RedisConfig::hostsAndPorts,
            "The Redis server as `host:port` without a password, instead of `REDIS_URI`.");
    public static final Key<Boolean> REDIS_CLUSTER = Key.of(
                    "REDIS_CLUSTER",
                    Quantities::onOrOff,
                    "`on`: the server is a Redis Cluster, of which `REDIS_URI` or `REDIS_ADDR` names nodes, separated by"
                            + " commas.")
            .or("off");
    public static final Key<String> REDIS_TAG = Key.of(
                    "REDIS_TAG",
                    matching(Pattern.compile("[A-Za-z0-9_.-]{1,32}"), "not 1 to 32 of A-Z, a-z, 0-9, _, ., -"),
                    "The hash tag of all keys in a Redis Cluster. Backends with the same one share their outcomes.")
            .derived("flk");

    /** The settings of the server; without it, none has an effect. */
    public static final List<Key<?>> KEYS = List.of(REDIS_URI, REDIS_ADDR, REDIS_CLUSTER, REDIS_TAG);

    /** A server that is not a cluster. */
    public RedisConfig(Secret uri, Duration timeout) {
        this(uri, timeout, "");
    }

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
        String text = uri.or(() -> address.map(hosts -> "redis://" + hosts)).orElse("");
        boolean isCluster = settings.get(REDIS_CLUSTER);
        Optional<String> tag = settings.find(REDIS_TAG);
        settings.unused("REDIS_CLUSTER is off", isCluster ? List.of() : List.of(REDIS_TAG));
        RedisConfig config =
                new RedisConfig(new Secret(text), settings.get(DEDUP_TIMEOUT), isCluster ? tag.orElse("flk") : "");
        String name = isUriGiven ? "REDIS_URI" : "REDIS_ADDR";
        if (isCluster) {
            settings.require(
                    text.isEmpty() || (text.matches("rediss?://.*") && config.isDatabase0()),
                    name + ": is not the form for REDIS_CLUSTER=on, which is redis://host1:6379,host2:6379 or"
                            + " rediss://user:password@host1:6379,host2:6379; a cluster has only database 0");
        } else {
            settings.require(
                    text.contains("-sentinel:") || config.nodes().size() == 1,
                    name + ": has several hosts; set REDIS_CLUSTER=on if they are nodes of one Redis Cluster,"
                            + " otherwise name one host, or Sentinels with redis-sentinel://");
        }
        return config;
    }

    boolean isCluster() {
        return !tag.isEmpty();
    }

    /** Returns a URI for each host. With Sentinels, which are one server, returns the whole URI. */
    List<String> nodes() {
        Matcher parts = HOSTS.matcher(uri.text());
        return uri.text().contains("-sentinel:") || !parts.matches()
                ? List.of(uri.text())
                : Stream.of(parts.group(2).split(",", -1))
                        .map(host -> parts.group(1) + host + parts.group(3))
                        .toList();
    }

    private boolean isDatabase0() {
        Matcher parts = HOSTS.matcher(uri.text());
        return parts.matches()
                && DATABASE_0.matcher(parts.group(3)).matches()
                && !OTHER_DATABASE.matcher(parts.group(3)).find();
    }

    private static String hostsAndPorts(String text) {
        String matched = matching(HOSTS_AND_PORTS, "not host:port").apply(text);
        for (String each : matched.split(",", -1)) {
            int unused = Quantities.port(each.substring(each.indexOf(':') + 1));
        }
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
