// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A real Redis Cluster on loopback ports. Its nodes keep their data over a restart, and answer while slots of other
 * nodes are down. Confined to one thread; every wait has a time limit.
 */
public final class RedisCluster implements AutoCloseable {
    private static final int SLOTS = 16_384;
    private static final Duration POLL = Duration.ofMillis(20);

    private final List<RedisServer> nodes = new ArrayList<>();

    private RedisCluster() {}

    /**
     * Starts a cluster and waits until it serves all slots.
     *
     * @param directory a directory for the nodes; the caller removes it
     * @param replicas whether each master has a replica, which takes over after about two seconds
     */
    public static RedisCluster start(Path directory, int masters, boolean replicas) {
        RedisCluster cluster = new RedisCluster();
        try {
            cluster.begin(directory, masters, replicas ? masters : 0);
        } catch (RuntimeException e) {
            cluster.close();
            throw e;
        }
        return cluster;
    }

    private void begin(Path directory, int masters, int replicas) {
        for (int i = 0; i < masters + replicas; i++) {
            nodes.add(RedisServer.startDurable(
                    directory.resolve("node-" + i),
                    "--cluster-enabled",
                    "yes",
                    "--cluster-node-timeout",
                    replicas > 0 ? "1500" : "15000",
                    "--cluster-require-full-coverage",
                    "no",
                    "--repl-diskless-sync-delay",
                    "0"));
        }
        for (int i = 0; i < masters; i++) {
            List<String> command = new ArrayList<>(List.of("CLUSTER", "ADDSLOTS"));
            IntStream.range(SLOTS * i / masters, SLOTS * (i + 1) / masters)
                    .mapToObj(Integer::toString)
                    .forEach(command::add);
            nodes.get(i).send(command.toArray(String[]::new));
            nodes.get(i).send("CLUSTER", "SET-CONFIG-EPOCH", Integer.toString(i + 1));
        }
        for (RedisServer each : nodes.subList(1, nodes.size())) {
            each.send(
                    "CLUSTER",
                    "MEET",
                    "127.0.0.1",
                    Integer.toString(nodes.get(0).port()));
        }
        nodes.forEach(each -> awaitServing(each, nodes.size()));
        for (int i = 0; i < replicas; i++) {
            RedisServer replica = nodes.get(masters + i);
            replica.send("CLUSTER", "REPLICATE", id(nodes.get(i)));
            await().atMost(ServerProcess.PATIENCE).pollInterval(POLL).until(() -> isReplicaInSync(replica));
        }
        nodes.forEach(each -> each.awaitAlso(() -> isServing(each, nodes.size())));
    }

    private static void awaitServing(RedisServer node, int known) {
        await().atMost(ServerProcess.PATIENCE).pollInterval(POLL).until(() -> isServing(node, known));
    }

    private static boolean isServing(RedisServer node, int known) {
        String info = node.send("CLUSTER", "INFO").get(0);
        return info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:" + known);
    }

    private static boolean isReplicaInSync(RedisServer node) {
        return node.send("INFO", "replication").get(0).contains("master_link_status:up");
    }

    private static String id(RedisServer node) {
        return node.send("CLUSTER", "MYID").get(0);
    }

    /** Returns the nodes, the first masters before their replicas. */
    public List<RedisServer> nodes() {
        return List.copyOf(nodes);
    }

    /** Returns the addresses of all nodes, separated by commas. */
    public String addresses() {
        return nodes.stream().map(each -> "127.0.0.1:" + each.port()).collect(Collectors.joining(","));
    }

    /** Returns the settings of a backend that keeps its outcomes under a tag. */
    public Map<String, String> configuration(String tag) {
        return Map.of("DEDUP_BACKEND", "redis", "REDIS_ADDR", addresses(), "REDIS_CLUSTER", "on", "REDIS_TAG", tag);
    }

    /** Returns the running node that serves the keys with a tag as their master. */
    public RedisServer master(String tag) {
        return await().atMost(ServerProcess.PATIENCE)
                .pollInterval(POLL)
                .until(
                        () -> nodes.stream()
                                .filter(each -> each.isRunning() && serves(each, tag))
                                .findFirst(),
                        Optional::isPresent)
                .orElseThrow();
    }

    private static boolean serves(RedisServer node, String tag) {
        // a replica redirects this command, too
        return !node.send("EXISTS", "{" + tag + "}:none").get(0).startsWith("-");
    }

    /**
     * Moves the slot of a tag with all its keys to another master.
     *
     * @param meanwhile runs when half of the keys have moved
     */
    public void move(String tag, RedisServer to, Runnable meanwhile) {
        RedisServer from = master(tag);
        String slot = from.send("CLUSTER", "KEYSLOT", "{" + tag + "}").get(0).substring(1);
        to.send("CLUSTER", "SETSLOT", slot, "IMPORTING", id(from));
        from.send("CLUSTER", "SETSLOT", slot, "MIGRATING", id(to));
        List<String> keys = from.send("CLUSTER", "GETKEYSINSLOT", slot, "1000000");
        migrate(from, keys.subList(0, keys.size() / 2), to);
        meanwhile.run();
        migrate(from, from.send("CLUSTER", "GETKEYSINSLOT", slot, "1000000"), to);
        for (RedisServer each : List.of(to, from)) {
            each.send("CLUSTER", "SETSLOT", slot, "NODE", id(to));
        }
    }

    private static void migrate(RedisServer from, List<String> keys, RedisServer to) {
        for (String key : keys) {
            from.send("MIGRATE", "127.0.0.1", Integer.toString(to.port()), key, "0", "10000");
        }
    }

    @Override
    public void close() {
        nodes.forEach(RedisServer::close);
    }
}
