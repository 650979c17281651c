// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Workbench.Subject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;

/**
 * The suite that measures the copy of the log in Kafka. The brokers are those of {@code KAFKA_BROKERS}; each run leaves
 * a topic there. Without this setting, only a backend without a copy is measured, with a message.
 */
final class CopySuite {
    private static final String BROKERS = "KAFKA_BROKERS";
    private static final String TOPIC = "flk.bench";
    private static final int CONNECTIONS = 64;
    private static final int BATCH_CONNECTIONS = 16;

    private CopySuite() {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        Server plain = bench.backend("plain");
        Server copied = bench.keepIfInstalled("the copy", () -> copied(bench));
        List<Subject> subjects = new ArrayList<>();
        for (int connections : new int[] {1, CONNECTIONS, 256}) {
            String name = "singles, " + connections;
            double guess = 300.0 * connections;
            subjects.add(bench.singles(name, plain, connections, guess));
            if (copied != null) {
                subjects.add(bench.singles(ofCopied(name), copied, connections, guess));
            }
        }
        String batches = "batches of 100, " + BATCH_CONNECTIONS;
        subjects.add(bench.batches(batches, plain, BATCH_CONNECTIONS, 100, 600));
        if (copied != null) {
            subjects.add(bench.batches(ofCopied(batches), copied, BATCH_CONNECTIONS, 100, 600));
        }
        return bench.measure("certificates", "singles, " + CONNECTIONS, subjects);
    }

    private static String ofCopied(String subject) {
        return "copied, " + subject;
    }

    private static Server copied(Workbench bench) throws IOException, InterruptedException {
        String brokers = Objects.requireNonNullElse(System.getenv(BROKERS), "");
        if (brokers.isEmpty()) {
            throw new IOException(BROKERS + " is not set; set it to three brokers without TLS and login, like"
                    + " host1:9092,host2:9092,host3:9092");
        }
        String log = UUID.randomUUID().toString();
        System.err.println(bench.suite() + ": the topic " + TOPIC + "." + log + " remains; delete it afterwards");
        return Server.backend(
                bench.directory("copied"),
                bench.backendJvm(),
                Map.of("LOG_COPY", "kafka", "LOG_NAME", log, "KAFKA_TOPIC", TOPIC, BROKERS, brokers));
    }
}
