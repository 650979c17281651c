// SPDX-License-Identifier: Apache-2.0
package dev.flk.testkit;

import static org.awaitility.Awaitility.await;

import dev.flk.testkit.Starts.Started;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.metadata.storage.Formatter;
import org.apache.kafka.server.common.Feature;

/**
 * Brokers of Kafka as processes, without TLS and login, each of which is also a controller. Tests can kill and pause
 * each of them. A dead broker is replaced as leader after about two seconds. The processes do not outlive the JVM.
 */
public final class KafkaBrokers implements AutoCloseable {
    private static final Duration LONGEST_CALL = Duration.ofSeconds(10);

    private final List<Broker> brokers;

    private KafkaBrokers(List<Broker> brokers) {
        this.brokers = brokers;
    }

    /**
     * Starts brokers and waits until all of them have joined.
     *
     * @param directory a directory for their logs and data; the caller removes it
     */
    public static KafkaBrokers start(Path directory, int count) {
        Starts.count(Started.KAFKA);
        String cluster = Uuid.randomUuid().toString();
        List<Broker> brokers = IntStream.rangeClosed(1, count)
                .mapToObj(id -> new Broker(directory.resolve("broker-" + id), id, cluster))
                .toList();
        brokers.forEach(each -> each.configure(brokers));
        KafkaBrokers all = new KafkaBrokers(brokers);
        try {
            brokers.forEach(Broker::begin);
            brokers.forEach(Broker::awaitListening);
            all.awaitJoined();
            return all;
        } catch (RuntimeException e) {
            all.close();
            throw e;
        }
    }

    /** Returns the brokers as {@code host:port}, separated by commas. */
    public String addresses() {
        return brokers.stream().map(Broker::address).collect(Collectors.joining(","));
    }

    /** Returns the settings of a backend. */
    public Map<String, String> configuration() {
        return Map.of("KAFKA_BROKERS", addresses());
    }

    /** Returns a broker; the first one has the id 1. */
    public ServerProcess broker(int id) {
        return brokers.get(id - 1);
    }

    /** Returns the id of the broker that leads the only partition of a topic. */
    public int leader(String topic) {
        try (Admin admin = admin()) {
            return admin.describeTopics(List.of(topic))
                    .topicNameValues()
                    .get(topic)
                    .get(LONGEST_CALL.toSeconds(), TimeUnit.SECONDS)
                    .partitions()
                    .get(0)
                    .leader()
                    .id();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        } catch (ExecutionException | TimeoutException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Blocks until all brokers have joined, after some of them were started again. */
    public void awaitJoined() {
        try (Admin admin = admin()) {
            await().atMost(ServerProcess.PATIENCE)
                    .ignoreExceptions()
                    .until(() -> admin.describeCluster()
                                    .nodes()
                                    .get(LONGEST_CALL.toSeconds(), TimeUnit.SECONDS)
                                    .size()
                            == brokers.size());
        }
    }

    /** Returns a client; the caller closes it. */
    private Admin admin() {
        return Admin.create(
                Map.of("bootstrap.servers", addresses(), "request.timeout.ms", "3000", "default.api.timeout.ms", (int)
                        LONGEST_CALL.toMillis()));
    }

    /** Kills the brokers that are still running; their files remain. */
    @Override
    public void close() {
        brokers.forEach(Broker::close);
    }

    private static final class Broker extends ServerProcess {
        private final int id;
        private final String cluster;
        private final Thread lastResort = new Thread(this::killIfStarted, "kafka-end");
        private volatile boolean isStarted;
        private final int controllerPort = FreePort.choose();

        Broker(Path directory, int id, String cluster) {
            super(created(directory));
            this.id = id;
            this.cluster = cluster;
            Runtime.getRuntime().addShutdownHook(lastResort);
        }

        private static Path created(Path directory) {
            try {
                return Files.createDirectories(directory);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        String address() {
            return "127.0.0.1:" + port();
        }

        private Path file() {
            return directory.resolve("server.properties");
        }

        void configure(List<Broker> all) {
            Properties properties = new Properties();
            properties.putAll(Map.of(
                    "process.roles",
                    "broker,controller",
                    "node.id",
                    Integer.toString(id),
                    "log.dirs",
                    data().toString(),
                    "listeners",
                    "PLAINTEXT://" + address() + ",CONTROLLER://127.0.0.1:" + controllerPort,
                    "listener.security.protocol.map",
                    "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
                    "controller.listener.names",
                    "CONTROLLER",
                    "controller.quorum.voters",
                    all.stream()
                            .map(each -> each.id + "@127.0.0.1:" + each.controllerPort)
                            .collect(Collectors.joining(","))));
            // shorter than the defaults, so that tests do not wait for ten seconds after each kill
            properties.putAll(Map.of(
                    "broker.session.timeout.ms", "2000",
                    "broker.heartbeat.interval.ms", "300",
                    "controller.quorum.fetch.timeout.ms", "1000",
                    "controller.quorum.election.timeout.ms", "500",
                    "num.network.threads", "1",
                    "num.io.threads", "2",
                    "log.cleaner.dedupe.buffer.size", Integer.toString(2 << 20)));
            try (Writer writer = Files.newBufferedWriter(file())) {
                properties.store(writer, null);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            format();
        }

        private void format() {
            try {
                new Formatter()
                        .setPrintStream(new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8))
                        .setSupportedFeatures(Feature.PRODUCTION_FEATURES)
                        .setClusterId(cluster)
                        .setNodeId(id)
                        .setControllerListenerName("CONTROLLER")
                        .setMetadataLogDirectory(data().toString())
                        .addDirectory(data().toString())
                        .run();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        void begin() {
            // without the test's own logging, which would write each line of the broker
            String classPath = Arrays.stream(
                            System.getProperty("java.class.path").split(File.pathSeparator))
                    .filter(entry ->
                            entry.endsWith(".jar") && !entry.contains("logback") && !entry.contains("slf4j-nop"))
                    .collect(Collectors.joining(File.pathSeparator));
            isStarted = true;
            launch(
                    Started.JVM,
                    List.of(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-Xmx256m",
                            "-XX:+UseSerialGC",
                            "-XX:TieredStopAtLevel=1",
                            "-cp",
                            classPath,
                            "kafka.Kafka",
                            file().toString()));
        }

        private void killIfStarted() {
            if (isStarted) {
                kill();
            }
        }

        void awaitListening() {
            awaitReady(() -> {
                try (Socket socket = new Socket()) {
                    socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port()), 100);
                    return true;
                } catch (IOException notYet) {
                    return false;
                }
            });
        }

        @Override
        public Map<String, String> configuration() {
            return Map.of("KAFKA_BROKERS", address());
        }

        @Override
        public void restart() {
            begin();
            awaitListening();
        }

        @Override
        public void restartEmpty() {
            DirectoryTree.remove(data());
            format();
            restart();
        }

        @Override
        public Runnable copy() {
            Path copy = copyData();
            return () -> {
                replaceData(copy);
                restart();
            };
        }

        /** Kills the broker if it is still running. Idempotent. */
        @Override
        public void close() {
            killIfStarted();
            try {
                Runtime.getRuntime().removeShutdownHook(lastResort);
            } catch (IllegalStateException ending) {
                // the JVM is shutting down, so the hook is already running
            }
        }
    }
}
