// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import static org.awaitility.Awaitility.await;

import dev.flk.testkit.Starts.Started;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import kafka.server.BrokerServer;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.security.auth.SecurityProtocol;
import org.apache.kafka.common.test.KafkaClusterTestKit;
import org.apache.kafka.common.test.TestKitNodes;
import org.apache.kafka.common.utils.Exit;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Brokers of Kafka in the JVM of the test: a test can stop them, but not kill them as {@link KafkaBrokers}
 * can. The only class that knows Kafka's own test kit, whose names are internal. Confined to one thread.
 */
public final class KafkaCluster implements AutoCloseable {
    private static final String ADMIN = "plain-admin";
    private static final String USER = "plain-user1";

    private final KafkaClusterTestKit kit;
    private final List<BrokerServer> stopped = new ArrayList<>();

    private KafkaCluster(KafkaClusterTestKit kit) {
        this.kit = kit;
    }

    /**
     * Returns the three brokers that all tests of this JVM share if they do not configure them; a test that stops a
     * broker restarts it. They notice within two seconds that a broker has stopped. Closed when the JVM exits.
     */
    public static KafkaCluster shared() {
        return Shared.CLUSTER;
    }

    private static final class Shared {
        static final KafkaCluster CLUSTER = start(
                3,
                Map.of(
                        "broker.session.timeout.ms", "2000",
                        "broker.heartbeat.interval.ms", "200",
                        "transaction.state.log.num.partitions", "3",
                        "auto.create.topics.enable", "true"));

        static {
            // when the JVM exits, a broker whose files Kafka's own hook has removed would halt it with an error
            Exit.setHaltProcedure((code, message) -> {});
            Runtime.getRuntime().addShutdownHook(new Thread(CLUSTER::close));
        }
    }

    /**
     * Starts brokers that require a login, and waits until they are ready.
     *
     * @param settings settings of all brokers, by name
     */
    public static KafkaCluster start(int brokers, Map<String, String> settings) {
        return start(brokers, SecurityProtocol.SASL_PLAINTEXT, settings);
    }

    /**
     * Starts a broker that requires TLS, and waits until it is ready.
     *
     * @param settings its settings for TLS, by name
     */
    public static KafkaCluster startTls(Map<String, String> settings) {
        Map<String, String> all = new LinkedHashMap<>(settings);
        all.put("listener.security.protocol.map", "EXTERNAL:SSL,CONTROLLER:PLAINTEXT"); // which the kit would not set
        return start(1, SecurityProtocol.PLAINTEXT, all);
    }

    private static KafkaCluster start(int brokers, SecurityProtocol protocol, Map<String, String> settings) {
        Starts.count(Started.KAFKA);
        KafkaCluster cluster = new KafkaCluster(built(brokers, protocol, settings));
        try {
            cluster.kit.format();
            cluster.kit.startup();
            cluster.kit.waitForReadyBrokers();
            return cluster;
        } catch (Exception e) {
            cluster.close();
            throw new IllegalStateException("the brokers could not be started", e);
        }
    }

    private static KafkaClusterTestKit built(int brokers, SecurityProtocol protocol, Map<String, String> settings) {
        try {
            KafkaClusterTestKit.Builder builder = new KafkaClusterTestKit.Builder(new TestKitNodes.Builder()
                    .setCombined(true)
                    .setNumControllerNodes(1)
                    .setNumBrokerNodes(brokers)
                    .setBrokerSecurityProtocol(protocol)
                    .setControllerSecurityProtocol(protocol)
                    .build());
            settings.forEach(builder::setConfigProp);
            return builder.build();
        } catch (Exception e) {
            throw new IllegalStateException("the brokers could not be configured", e);
        }
    }

    /** Returns the brokers as {@code host:port}, separated by commas. */
    public String addresses() {
        return kit.bootstrapServers();
    }

    /** Returns the settings of a backend that logs in and may do everything. */
    public Map<String, String> configuration() {
        return configuration(ADMIN, ADMIN + "-secret");
    }

    /** Returns the settings of a backend whose user may do nothing. */
    public Map<String, String> configurationWithoutRights() {
        return configuration(USER, USER + "-secret");
    }

    /** Returns the settings of a backend. */
    public Map<String, String> configuration(String user, String password) {
        return Map.of(
                "KAFKA_BROKERS",
                addresses(),
                "KAFKA_SECURITY_PROTOCOL",
                "SASL_PLAINTEXT",
                "KAFKA_SASL_MECHANISM",
                "PLAIN",
                "KAFKA_SASL_JAAS_CONFIG",
                "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"%s\" password=\"%s\";"
                        .formatted(user, password));
    }

    /** Returns a client that may do everything; the caller closes it. */
    public Admin admin() {
        return Admin.create(client());
    }

    /** Returns the settings of a client that may do everything. */
    public Map<String, Object> client() {
        Map<String, Object> properties = new LinkedHashMap<>();
        configuration().forEach((name, value) -> properties.put(clientName(name), value));
        return properties;
    }

    private static String clientName(String setting) {
        return setting.equals("KAFKA_BROKERS")
                ? "bootstrap.servers"
                : setting.substring("KAFKA_".length()).toLowerCase(Locale.ROOT).replace('_', '.');
    }

    /** Blocks until each broker knows a topic, which may be later than its creation. */
    public void awaitTopic(String topic) {
        await().atMost(ServerProcess.PATIENCE)
                .until(() -> kit.brokers().values().stream()
                        .allMatch(broker -> broker.metadataCache().contains(topic)));
    }

    /** Blocks until each broker answers with a topic's configured size of a message, and appends by it. */
    public void awaitMaxMessageBytes(String topic, int bytes) {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        await().atMost(ServerProcess.PATIENCE)
                .until(() -> kit.brokers().values().stream()
                        .allMatch(broker -> Integer.toString(bytes)
                                        .equals(broker.metadataCache()
                                                .config(resource)
                                                .getProperty("max.message.bytes"))
                                && CollectionConverters.asJava(
                                                broker.logManager().allLogs().toSeq())
                                        .stream()
                                        .filter(log ->
                                                log.topicPartition().topic().equals(topic))
                                        .allMatch(log -> log.config().maxMessageSize() == bytes)));
    }

    /** Stops a broker, by its id from 0 on, cleanly and waits for its end. */
    public void stop(int broker) {
        BrokerServer server = kit.brokers().get(broker);
        server.shutdown();
        server.awaitShutdown();
        stopped.add(server);
    }

    /** Starts all stopped brokers again, on the same ports, and waits until they are ready. */
    public void restart() {
        stopped.forEach(BrokerServer::startup);
        stopped.clear();
        try {
            kit.waitForReadyBrokers();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    /** Returns how long the segments of a topic are on the disks of all brokers, once all replicas are equal. */
    public Map<Path, Long> lengths(String topic) {
        Map<Path, Long> lengths = new LinkedHashMap<>();
        await().atMost(ServerProcess.PATIENCE).until(() -> {
            segments(topic)
                    .forEach(segment -> lengths.put(segment, segment.toFile().length()));
            Map<String, Set<Long>> byPartition = lengths.entrySet().stream()
                    .collect(Collectors.groupingBy(
                            each -> each.getKey()
                                    .getName(each.getKey().getNameCount() - 2)
                                    .toString(),
                            Collectors.mapping(Map.Entry::getValue, Collectors.toSet())));
            return byPartition.values().stream().allMatch(each -> each.size() == 1);
        });
        return lengths;
    }

    /**
     * Stops all brokers, makes their disks lose what a topic has beyond some lengths, and starts them again.
     *
     * @param kept the lengths that remain; segments without one become empty
     */
    public void lose(String topic, Map<Path, Long> kept) throws IOException {
        List<Path> segments = segments(topic);
        List<Integer> brokers = List.copyOf(kit.brokers().keySet());
        brokers.forEach(this::stop);
        for (Path segment : segments) {
            try (FileChannel file = FileChannel.open(segment, StandardOpenOption.WRITE)) {
                file.truncate(kept.getOrDefault(segment, 0L));
            }
            Path partition = segment.resolveSibling("");
            Files.deleteIfExists(partition.resolveSibling(".kafka_cleanshutdown")); // so that the segments are read
            try (DirectoryStream<Path> derived = Files.newDirectoryStream(partition, "*.{index,timeindex,snapshot}")) {
                for (Path each : derived) {
                    Files.delete(each);
                }
            }
        }
        restart();
    }

    private List<Path> segments(String topic) {
        return kit.brokers().values().stream()
                .flatMap(broker -> CollectionConverters.asJava(
                        broker.logManager().allLogs().toSeq())
                        .stream())
                .filter(log -> log.topicPartition().topic().equals(topic))
                .map(log -> log.activeSegment().log().file().toPath())
                .toList();
    }

    @Override
    public void close() {
        try {
            kit.close();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
