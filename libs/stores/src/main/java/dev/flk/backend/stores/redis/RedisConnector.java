// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.redis;

import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.config.InvalidConfig;
import io.lettuce.core.ClientOptions;
import io.lettuce.core.ClientOptions.DisconnectedBehavior;
import io.lettuce.core.ConnectionFuture;
import io.lettuce.core.MaintNotificationsConfig;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.SocketOptions.KeepAliveOptions;
import io.lettuce.core.SslOptions;
import io.lettuce.core.StaticCredentialsProvider;
import io.lettuce.core.TimeoutOptions;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.cluster.SlotHash;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.codec.RedisCodec;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.metrics.CommandLatencyRecorder;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import io.lettuce.core.resource.ClientResources;
import io.lettuce.core.resource.DefaultEventLoopGroupProvider;
import io.lettuce.core.resource.Transports;
import java.io.File;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The configured server, and Lettuce's client for it. A connection never reconnects by itself and never sends a call
 * twice, because the effect of a failed call is unknown. Lettuce's client for a Redis Cluster would do both, so each
 * connection to a cluster is a plain one, to the master of the slot in which all keys lie; a node of the cluster names
 * this master before each connect.
 */
public final class RedisConnector implements AutoCloseable {
    private static final Pattern HOST_AND_PORT = Pattern.compile("([^:\\[\\]]+):([0-9]{1,5})");
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.dedup");
    private static final RedisCodec<String, byte[]> CODEC = RedisCodec.of(StringCodec.ASCII, ByteArrayCodec.INSTANCE);

    /** The number of threads that watch time-outs; Lettuce does not accept fewer. */
    private static final int COMPUTATION_THREADS = 2;

    private static final int MOST_OUTSTANDING_CALLS = 20_000;
    private static final Duration LOOK_UP_AND_START = Duration.ofSeconds(5);
    private static final Duration PROBE_IDLE_AFTER = Duration.ofSeconds(15);
    private static final Duration PROBE_EVERY = Duration.ofSeconds(5);
    private static final int PROBES = 3;
    private static final long FINISH_SECONDS = 2;

    /** The configured server; for a cluster, the configured nodes. */
    private final List<RedisURI> nodes;

    private final String tag;
    private final Duration timeout;
    private final RedisFailures failures;
    private final ClientResources resources;
    /**
     * The one thread of all connections. It also runs each connect, because a refusal closes the connection: if another
     * thread took part, it could notice the closing before the refusal, and Lettuce would then not report the refusal.
     */
    private final Executor network;

    private final RedisClient client;
    private final AtomicBoolean warned = new AtomicBoolean();
    /** The number of connects, each of which asks another node first, so that no node misleads all of them. */
    private final AtomicInteger connects = new AtomicInteger();

    /** Creates the client; opens no connection. */
    public RedisConnector(RedisConfig config) {
        Optional<File> keyStore = keyStore();
        this.timeout = config.timeout();
        this.tag = config.tag();
        this.nodes = config.nodes().stream().map(node -> uri(node, timeout)).toList();
        this.failures = new RedisFailures(nodes, config);
        this.resources = ClientResources.builder()
                .eventLoopGroupProvider(new DefaultEventLoopGroupProvider(1))
                .computationThreadPoolSize(COMPUTATION_THREADS)
                .commandLatencyRecorder(CommandLatencyRecorder.disabled())
                .build();
        this.network = resources.eventLoopGroupProvider().allocate(Transports.eventLoopGroupClass());
        this.client = RedisClient.create(resources);
        client.setOptions(ClientOptions.builder()
                .autoReconnect(false)
                .disconnectedBehavior(DisconnectedBehavior.REJECT_COMMANDS)
                .requestQueueSize(MOST_OUTSTANDING_CALLS)
                .pingBeforeActivateConnection(true)
                .maintNotificationsConfig(MaintNotificationsConfig.disabled())
                .timeoutOptions(TimeoutOptions.enabled(timeout))
                .sslOptions(
                        showing(keyStore, SslOptions.builder().jdkSslProvider().handshakeTimeout(timeout))
                                .build())
                .socketOptions(SocketOptions.builder()
                        .connectTimeout(timeout)
                        .keepAlive(KeepAliveOptions.builder()
                                .enable()
                                .idle(PROBE_IDLE_AFTER)
                                .interval(PROBE_EVERY)
                                .count(PROBES)
                                .build())
                        .build())
                .build());
    }

    /** Adds the client certificate that the JVM is configured with; Lettuce does not use it by itself. */
    private static SslOptions.Builder showing(Optional<File> keyStore, SslOptions.Builder options) {
        return keyStore.isEmpty()
                ? options
                : options.keystore(
                        keyStore.get(),
                        System.getProperty("javax.net.ssl.keyStorePassword", "").toCharArray());
    }

    /**
     * Returns the key store that the JVM is configured with, or empty. Must be called before Lettuce's
     * classes are loaded, because these classes fail with stack traces if the file is missing.
     */
    private static Optional<File> keyStore() {
        String name = System.getProperty("javax.net.ssl.keyStore", "");
        if (!name.isEmpty() && !new File(name).canRead()) {
            throw new InvalidConfig(List.of("REDIS_URI: javax.net.ssl.keyStore of the JVM, " + name
                    + ", is not a readable file; docs/redis.md explains its use"));
        }
        return name.isEmpty() ? Optional.empty() : Optional.of(new File(name));
    }

    private static RedisURI uri(String text, Duration timeout) {
        try {
            RedisURI uri = RedisURI.create(text);
            // java.net.URI, which Lettuce uses, takes the port for a part of a host name with an underscore
            Matcher withPort = HOST_AND_PORT.matcher(String.valueOf(uri.getHost()));
            if (withPort.matches()) {
                uri.setHost(withPort.group(1));
                uri.setPort(Integer.parseInt(withPort.group(2)));
            }
            // Lettuce sends immediately available credentials from the thread of the connection, others from another
            uri.setCredentialsProvider(new StaticCredentialsProvider(
                    uri.getCredentialsProvider().resolveCredentials().toFuture().join()));
            uri.setTimeout(timeout);
            uri.setClientName("flk-backend");
            uri.getSentinels().forEach(sentinel -> sentinel.setTimeout(timeout));
            return uri;
        } catch (IllegalArgumentException | IllegalStateException e) {
            // the cause would reveal the password
            throw new InvalidConfig(List.of("REDIS_URI: the client can't parse it; docs/redis.md shows the forms"));
        }
    }

    /**
     * Opens a connection. This method does not limit the total time; the caller gives up after {@link #connectWithin}.
     */
    public CompletionStage<StatefulRedisConnection<String, byte[]>> connect() {
        return connect(CODEC);
    }

    /** Opens a connection like {@link #connect()}, for keys and values of other types. */
    public <K, V> CompletableFuture<StatefulRedisConnection<K, V>> connect(RedisCodec<K, V> codec) {
        return opened(uri -> client.connectAsync(codec, uri));
    }

    /** Opens a connection like {@link #connect()}, for channels. */
    public <K, V> CompletableFuture<StatefulRedisPubSubConnection<K, V>> connectPubSub(RedisCodec<K, V> codec) {
        return opened(uri -> client.connectPubSubAsync(codec, uri));
    }

    private <T> CompletableFuture<T> opened(Function<RedisURI, ConnectionFuture<T>> open) {
        return tag.isEmpty()
                ? opened(nodes.get(0), open)
                : master(Math.floorMod(connects.getAndIncrement(), nodes.size()), nodes.size())
                        .thenCompose(master -> opened(master, open));
    }

    private <T> CompletableFuture<T> opened(RedisURI uri, Function<RedisURI, ConnectionFuture<T>> open) {
        try {
            return CompletableFuture.supplyAsync(() -> open.apply(uri), network).thenCompose(opening -> opening);
        } catch (RejectedExecutionException e) { // this connector is closed
            return CompletableFuture.failedFuture(e);
        }
    }

    /**
     * Asks a node of the cluster for the master of the slot of the tag. If the node does not answer, asks the next one,
     * until {@code left} nodes were asked.
     */
    private CompletableFuture<RedisURI> master(int index, int left) {
        RedisURI node = nodes.get(index);
        return opened(node, uri -> client.connectAsync(StringCodec.UTF8, uri))
                .thenCompose(connection -> connection
                        .async()
                        .clusterSlots()
                        .toCompletableFuture()
                        .whenComplete((slots, failure) -> connection.closeAsync()))
                .thenApply(slots -> masterOf(slots, node))
                .exceptionallyCompose(failure -> left == 1
                        ? CompletableFuture.failedFuture(failure)
                        : master((index + 1) % nodes.size(), left - 1));
    }

    /** Returns the master of the slot in the reply of {@code CLUSTER SLOTS}: ranges, each with its master first. */
    private RedisURI masterOf(List<Object> slots, RedisURI asked) {
        int slot = SlotHash.getSlot("{" + tag + "}");
        for (Object each : slots) {
            List<?> range = (List<?>) each;
            if ((Long) range.get(0) <= slot && slot <= (Long) range.get(1)) {
                List<?> master = (List<?>) range.get(2);
                Object host = master.get(0);
                RedisURI found = RedisURI.builder(asked).build();
                if (host != null && !host.equals("") && !host.equals("?")) { // otherwise the host of the asked node
                    found.setHost((String) host);
                }
                found.setPort(((Long) master.get(1)).intValue());
                return found;
            }
        }
        throw failures.of("has no node that serves slot " + slot + ", in which {" + tag
                + "} lies; bring its master back, or assign the slot to a node");
    }

    /** Returns the prefix of the names of all keys but those of sessions. */
    public String prefix() {
        return tag.isEmpty() ? "flk:" : "{" + tag + "}:";
    }

    /** Returns the hash tag of all keys, without braces; empty without a cluster. */
    public String tag() {
        return tag;
    }

    /**
     * Returns the longest time that a connect may take. A connect has four steps that a call time-out bounds: it opens
     * the network connection, sends the greeting and the password, reads the position, and writes the position. Each
     * Sentinel adds two call time-outs, each node of a cluster four. {@link #LOOK_UP_AND_START} is added for the look-up of the host name and
     * Lettuce's startup, which no call time-out bounds.
     */
    public Duration connectWithin() {
        return LOOK_UP_AND_START.plus(timeout.multipliedBy(
                4 + 2L * nodes.get(0).getSentinels().size() + (tag.isEmpty() ? 0 : 4L * nodes.size())));
    }

    /** Returns the description by which all messages name the server. */
    public String name() {
        return failures.where();
    }

    /** Returns an exception that names the server, the failure and the remedy, but no password. */
    public StoreUnavailableException unavailable(Throwable failure) {
        return failures.of(failure);
    }

    /**
     * Returns an exception for a failure that the store itself detected. Its message is the server followed by
     * {@code what}.
     */
    public StoreUnavailableException unavailable(String what) {
        return failures.of(what);
    }

    /**
     * Queries the server settings that determine whether acknowledged outcomes are kept, and logs a warning for unsafe
     * ones. Does nothing if the server has already answered all these queries once. Returns immediately. This is only
     * advice: a server that does not report its settings is accepted.
     */
    public void warnOfSettings(RedisAsyncCommands<String, byte[]> redis) {
        if (warned.get()) {
            return;
        }
        var policy = setting(redis, "maxmemory-policy");
        var appendonly = setting(redis, "appendonly");
        var appendfsync = setting(redis, "appendfsync");
        // if the connection ends before all queries are answered, the next connection repeats them
        CompletableFuture.allOf(policy, appendonly, appendfsync)
                .thenRun(() -> {
                    if (warned.compareAndSet(false, true)) {
                        warn(policy.join(), appendonly.join(), appendfsync.join());
                    }
                })
                .exceptionally(failure -> null);
    }

    private static CompletableFuture<String> setting(RedisAsyncCommands<String, byte[]> redis, String name) {
        return redis.configGet(name)
                .toCompletableFuture()
                .thenApply((Map<String, String> found) -> found.getOrDefault(name, ""));
    }

    private void warn(String policy, String appendonly, String appendfsync) {
        if (!policy.isEmpty() && !policy.equals("noeviction")) {
            LOG.warn(
                    "Redis at {} runs with maxmemory-policy {}: when its memory is full, it may drop answered"
                            + " outcomes; set maxmemory-policy noeviction",
                    failures.where(),
                    policy);
        }
        if (appendonly.equals("no")) {
            LOG.warn(
                    "Redis at {} runs with appendonly no: a restart of the server can lose answered outcomes;"
                            + " set appendonly yes",
                    failures.where());
        } else if (appendfsync.equals("no")) {
            LOG.warn(
                    "Redis at {} runs with appendfsync no: a power failure can lose answered outcomes; set"
                            + " appendfsync always or everysec",
                    failures.where());
        }
    }

    /** Closes all connections and ends the client's threads. Waits at most eight seconds for this. */
    @Override
    public void close() {
        client.shutdownAsync(0, FINISH_SECONDS, TimeUnit.SECONDS)
                .orTimeout(2 * FINISH_SECONDS, TimeUnit.SECONDS)
                .exceptionally(unfinished -> null)
                .join();
        List<Future<Boolean>> ending = List.of(
                resources.eventLoopGroupProvider().shutdown(0, FINISH_SECONDS, TimeUnit.SECONDS),
                resources.shutdown(0, FINISH_SECONDS, TimeUnit.SECONDS));
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(2 * FINISH_SECONDS);
        try {
            for (Future<Boolean> each : ending) {
                each.get(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
            }
        } catch (ExecutionException | TimeoutException e) {
            LOG.warn("the threads of the Redis client have not ended yet", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
