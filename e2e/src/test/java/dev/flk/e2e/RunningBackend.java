// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A backend that all tests of a class share, including its data. Register it in a static field. */
final class RunningBackend implements BeforeAllCallback, AfterAllCallback {
    private final Start start;
    private Path directory;
    private ServedBackend backend;
    private Client client;
    private final AtomicLong numbers = new AtomicLong();

    private RunningBackend(Start start) {
        this.start = start;
    }

    private interface Start {
        ServedBackend in(Path directory) throws IOException;
    }

    /** Returns a backend with settings that extend or override {@link ServedBackend#environment}. */
    static RunningBackend with(Map<String, String> configuration) {
        return new RunningBackend(directory -> BackendInJvm.start(directory, configuration));
    }

    /** Returns a process of the jar with additional settings and JVM options. */
    static RunningBackend process(Map<String, String> configuration, String... jvmOptions) {
        return new RunningBackend(directory -> BackendProcess.start(directory, configuration, List.of(jvmOptions)));
    }

    @Override
    public void beforeAll(ExtensionContext context) throws IOException {
        directory = Files.createTempDirectory("flk-e2e");
        backend = start.in(directory);
        client = Client.comparing(backend.url());
    }

    @Override
    public void afterAll(ExtensionContext context) throws IOException {
        if (backend != null) {
            backend.close();
        }
        try (Stream<Path> left = Files.walk(directory)) {
            for (Path path : left.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(path);
            }
        }
    }

    /** Returns a client that compares each answer with {@code docs/openapi.yaml}. */
    Client client() {
        return client;
    }

    ServedBackend backend() {
        return backend;
    }

    /** Returns a certificate that no other test of the class uses. Never returns number 0. */
    Pcs next() {
        return Pcs.number(numbers.incrementAndGet());
    }

    /** Returns a new connection to the backend. */
    RawConnection connect() throws IOException {
        return new RawConnection(backend.port());
    }

    LogFiles log() {
        return LogFiles.inbox(directory.resolve("data/wal"));
    }
}
