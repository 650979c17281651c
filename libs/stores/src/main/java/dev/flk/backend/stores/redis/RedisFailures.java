// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.redis;

import static java.util.Map.entry;

import dev.flk.backend.stores.StoreUnavailableException;
import io.lettuce.core.RedisCommandTimeoutException;
import io.lettuce.core.RedisURI;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URLDecoder;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.net.ssl.SSLException;
import org.jspecify.annotations.Nullable;

/**
 * The descriptions of failures for an operator: the server, the failure and the remedy. They never contain a password.
 */
public final class RedisFailures {
    /** The description of a connection that was lost for an unknown reason. */
    public static final String DISCONNECTED = "closed the connection or stopped; if it is down, start it";

    private static final String IS_CLUSTER = "is a Redis Cluster; set REDIS_CLUSTER=on (docs/redis.md)";
    private static final String IS_MOVING = "is moving the slot to another master; wait until that is finished";
    private static final String HAS_MOVED =
            "has another master for the slot; the backend asks for it and connects again";

    /** The error codes of a server, with their descriptions. A code may be nested in the error of a script. */
    private static final Map<String, String> CODES = Map.ofEntries(
            entry("WRONGPASS", "does not accept this user name and password; correct them in REDIS_URI"),
            entry("invalid password", "does not accept this password; correct it in REDIS_URI"),
            entry(
                    "NOAUTH",
                    "asks for a password; put the password into REDIS_URI, as redis://:PASSWORD@host:port; "
                            + "Sentinels that ask for a password can't be used"),
            entry("NOPERM", "does not allow this user the commands of the store; docs/redis.md has the ACL"),
            entry(
                    "READONLY",
                    "is a replica and accepts no writes; point REDIS_URI at the primary, or at the Sentinels"),
            entry("MASTERDOWN", "is a replica that has lost its primary; point REDIS_URI at the primary"),
            entry("NOREPLICAS", "has fewer replicas than its min-replicas-to-write requires; bring them back"),
            entry("OOM", "has no memory left (maxmemory); raise that, or remove other data"),
            entry("LOADING", "is still loading its data; wait until it has finished"),
            entry("MISCONF", "can't write to its disk and therefore accepts no writes; its own log says why"),
            entry("BUSY", "is busy with a script; wait, or end it with SCRIPT KILL"),
            entry("max number of clients reached", "has no connection left (maxclients); raise that, or close others"),
            entry(
                    "certificate_required",
                    "requires a client certificate; give the JVM one (javax.net.ssl.keyStore, docs/redis.md), or set "
                            + "tls-auth-clients no"),
            entry("CROSSSLOT", IS_CLUSTER),
            entry("MOVED", IS_CLUSTER),
            entry("CLUSTERDOWN", IS_CLUSTER));

    /** The descriptions for a cluster that is configured as one, which take precedence. */
    private static final Map<String, String> CLUSTER_CODES = Map.of(
            "MOVED",
            HAS_MOVED,
            "READONLY",
            HAS_MOVED,
            "ASK",
            IS_MOVING,
            "TRYAGAIN",
            IS_MOVING,
            "CLUSTERDOWN",
            "is down: a slot has no master, or most masters can't be reached; bring the nodes back",
            "cluster support disabled",
            "is not a Redis Cluster; set REDIS_CLUSTER=off");

    private static final Pattern CODE = Pattern.compile("(?<![A-Za-z])("
            + Stream.concat(CODES.keySet().stream(), CLUSTER_CODES.keySet().stream())
                    .distinct()
                    .collect(Collectors.joining("|"))
            + ")(?![A-Za-z])");
    private static final Pattern USER_INFO = Pattern.compile("//([^@/]*)@");
    private static final Pattern FAILED_AT = Pattern.compile("(?:refused|timed out after \\d+ ms): [^/\\s]*/(\\S+)");
    private static final Pattern NO_CONNECTION =
            Pattern.compile("(?i)connection (is )?(closed|disconnected)|not connected");

    /** The message of the exception with which Lettuce wraps the reason why the last Sentinel did not answer. */
    private static final String NO_SENTINEL = "Cannot connect to a Redis Sentinel";

    private static final String UNKNOWN_PRIMARY = "Cannot provide redisAddress using sentinel";
    private static final String START_IT = "if it is down, start it";
    private static final int LONGEST_QUOTE = 200;

    private final String where;
    private final Duration timeout;
    private final boolean isTls;
    private final boolean isCluster;
    private final boolean hasSeveralHosts;
    private final List<String> secrets = new ArrayList<>();

    RedisFailures(List<RedisURI> nodes, RedisConfig config) {
        RedisURI uri = nodes.get(0);
        this.isCluster = config.isCluster();
        this.where = isCluster ? "the Redis Cluster " + addresses(nodes) : where(uri);
        this.timeout = config.timeout();
        this.isTls = uri.isSsl();
        this.hasSeveralHosts = isCluster || !uri.getSentinels().isEmpty();
        Matcher userInfo = USER_INFO.matcher(config.uri().text());
        while (userInfo.find()) {
            String raw = userInfo.group(1);
            String password = raw.substring(raw.indexOf(':') + 1);
            Stream.of(raw, password, URLDecoder.decode(password, StandardCharsets.UTF_8))
                    .filter(secret -> !secret.isBlank())
                    .forEach(secrets::add);
        }
    }

    private static String where(RedisURI uri) {
        if (!uri.getSentinels().isEmpty()) {
            return "the primary " + uri.getSentinelMasterId() + " of the Sentinels " + addresses(uri.getSentinels());
        }
        return uri.getSocket() != null ? uri.getSocket() : address(uri);
    }

    private static String addresses(List<RedisURI> uris) {
        return uris.stream().map(RedisFailures::address).collect(Collectors.joining(", "));
    }

    private static String address(RedisURI uri) {
        return uri.getHost() + ":" + uri.getPort();
    }

    String where() {
        return where;
    }

    StoreUnavailableException of(String what) {
        return new StoreUnavailableException(where + " " + what);
    }

    StoreUnavailableException of(Throwable failure) {
        Throwable cause = failure;
        while ((cause instanceof CompletionException || cause instanceof ExecutionException)
                && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause instanceof StoreUnavailableException known
                ? known
                : new StoreUnavailableException(where + " " + what(cause), cause);
    }

    private String what(@Nullable Throwable failure) {
        String said = "";
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            String message = Objects.requireNonNullElse(cause.getMessage(), "");
            if (message.startsWith(NO_SENTINEL)) {
                return "can't be looked up: the last Sentinel " + what(cause.getCause());
            }
            if (message.startsWith(UNKNOWN_PRIMARY)) {
                return "is not known to them; correct the name after the # in REDIS_URI";
            }
            Matcher code = CODE.matcher(message);
            if (code.find()) {
                String described = isCluster ? CLUSTER_CODES.get(code.group()) : null;
                return Objects.requireNonNullElseGet(described, () -> CODES.getOrDefault(code.group(), "failed")) + " ("
                        + quoted(message.substring(code.start())) + ")";
            }
            if (cause instanceof RedisCommandTimeoutException) {
                return "did not answer within " + timeout.toMillis() + "ms (DEDUP_TIMEOUT); it hangs, is overloaded"
                        + (isTls ? ", is not a TLS server" : "") + " or can't be reached any more";
            }
            if (cause instanceof UnknownHostException) {
                return "can't be found: the host name does not exist; correct REDIS_URI or REDIS_ADDR, or the DNS";
            }
            if (cause instanceof SSLException) {
                return "can't be reached over TLS (" + quoted(message)
                        + "); is the port a TLS port, and is the certificate trusted and valid for that host name?";
            }
            if (cause instanceof ConnectException && message.contains("timed out")) {
                return "did not accept the connection" + at(message) + " within " + timeout.toMillis()
                        + "ms (DEDUP_TIMEOUT); is the address right, and does a firewall let it through?";
            }
            if (cause instanceof ConnectException && message.contains("refused")) {
                return "refused the connection" + at(message) + "; start it, or correct REDIS_URI or REDIS_ADDR";
            }
            if (cause instanceof IOException) {
                return "broke the connection (" + quoted(message) + "); " + START_IT;
            }
            if (NO_CONNECTION.matcher(message).find()) {
                return DISCONNECTED;
            }
            said = said.isEmpty() ? message : said;
        }
        return "failed: " + quoted(said);
    }

    /**
     * Returns the address that did not accept the connection, as a part of a sentence. Returns an empty string if
     * the description of the server already contains the only address.
     */
    private String at(String message) {
        Matcher address = FAILED_AT.matcher(message);
        return hasSeveralHosts && address.find() ? " at " + address.group(1) : "";
    }

    /** Returns the first line of the text of a server or library, without secrets and bounded in length. */
    private String quoted(String message) {
        String line = message.lines().findFirst().orElse("");
        for (String secret : secrets) {
            line = line.replace(secret, "***");
        }
        return line.length() <= LONGEST_QUOTE ? line : line.substring(0, LONGEST_QUOTE) + "...";
    }
}
