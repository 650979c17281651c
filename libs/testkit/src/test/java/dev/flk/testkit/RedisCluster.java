// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import static org.awaitility.Awaitility.await;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A real Redis Cluster on loopback ports. Its nodes keep their data over a restart, and answer while slots of other
 * nodes are down. Confined to one thread; every wait has a time limit.
 */
public final class RedisCluster implements AutoCloseable {
    private static final int SLOTS = 16_384;
    private static final int MIGRATED_AT_ONCE = 500;
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
            nodes.get(masters + i).send("CLUSTER", "REPLICATE", id(nodes.get(i)));
        }
        if (replicas > 0) {
            awaitReplicas();
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

    /** Returns the running node that serves the keys with a tag as their master; none may be paused. */
    public RedisServer master(String tag) {
        return masterExcept(null, tag);
    }

    /** Waits until another node than a killed or paused one serves the keys with a tag, and returns it. */
    public RedisServer masterExcept(@Nullable RedisServer gone, String tag) {
        return await().atMost(ServerProcess.PATIENCE)
                .pollInterval(POLL)
                .until(
                        () -> nodes.stream()
                                .filter(each -> each != gone && each.isRunning() && serves(each, tag))
                                .findFirst(),
                        Optional::isPresent)
                .orElseThrow();
    }

    private static boolean serves(RedisServer node, String tag) {
        // a replica redirects this command, too
        return !node.send("EXISTS", "{" + tag + "}:none").get(0).startsWith("-");
    }

    /** Returns a tag for each master, whose keys that master serves. */
    public List<String> tagOfEachMaster() {
        Map<RedisServer, String> tags = new LinkedHashMap<>();
        long masters = nodes.stream().filter(RedisCluster::isMaster).count();
        for (int i = 0; tags.size() < masters; i++) {
            tags.putIfAbsent(master("tag-" + i), "tag-" + i);
        }
        return List.copyOf(tags.values());
    }

    private static boolean isMaster(RedisServer node) {
        return node.send("INFO", "replication").get(0).contains("role:master");
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
        for (int i = 0; i < keys.size(); i += MIGRATED_AT_ONCE) {
            List<String> command = new ArrayList<>(
                    List.of("MIGRATE", "127.0.0.1", Integer.toString(to.port()), "", "0", "60000", "KEYS"));
            command.addAll(keys.subList(i, Math.min(keys.size(), i + MIGRATED_AT_ONCE)));
            List<String> reply = from.send(command.toArray(String[]::new));
            if (!reply.equals(List.of("+OK"))) {
                throw new IllegalStateException("MIGRATE: " + reply);
            }
        }
    }

    /** Returns a master that serves other slots than those of a tag. */
    public RedisServer otherMaster(String tag) {
        RedisServer master = master(tag);
        return nodes.stream()
                .filter(each -> each != master && isMaster(each))
                .findFirst()
                .orElseThrow();
    }

    /** Waits until each master has a replica that is in sync, and each node knows of all. */
    public void awaitReplicas() {
        for (RedisServer each : nodes) {
            awaitServing(each, nodes.size());
            await().atMost(ServerProcess.PATIENCE).pollInterval(POLL).until(() -> {
                String replication = each.send("INFO", "replication").get(0);
                return replication.contains("role:master")
                        ? replication.contains("state=online")
                        : replication.contains("master_link_status:up");
            });
        }
    }

    @Override
    public void close() {
        nodes.forEach(RedisServer::close);
    }
}
