// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A backend process on a free port, with its data in a directory. It is ready when a method returns it, unless its
 * store or its disk can't be used.
 */
final class BackendProcess implements AutoCloseable {
    private final Program program;
    private final int port;

    private BackendProcess(Program program) {
        this.program = program;
        String line = program.awaitLine(text -> text.contains("listening on "));
        this.port = Integer.parseInt(line.substring(line.lastIndexOf(' ') + 1));
        String state = program.awaitLine(
                text -> isReady(text) || text.contains("the dedup store is not ready yet") || isRefusing(text));
        if (!isReady(state) && !isRefusing(state)) {
            program.awaitLine(
                    text -> isReady(text) || text.contains("Error reaching ") || text.contains(" can't be used: "));
        }
    }

    private static boolean isRefusing(String line) {
        return line.contains("ERROR ingest - disk full: ");
    }

    private static boolean isReady(String line) {
        return line.contains("ready: submissions are accepted");
    }

    /**
     * Returns the default environment of backends in these tests: a free port, the sample key, a rate limit that no
     * test reaches, and no state API.
     */
    static Map<String, String> environment() {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("PORT", "0");
        environment.put("BIND_ADDR", "127.0.0.1");
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY", Pcs.KEY);
        environment.put("TOKEN_RATE", "1000000");
        environment.put("STATE_PORT", "off");
        return environment;
    }

    static BackendProcess start(Path directory) throws IOException {
        return start(directory, Map.of());
    }

    /** Starts a backend with settings that extend or override {@link #environment}. */
    static BackendProcess start(Path directory, Map<String, String> more) throws IOException {
        return start(directory, more, List.of());
    }

    /** Starts a backend with JVM options, and with settings that extend or override {@link #environment}. */
    static BackendProcess start(Path directory, Map<String, String> more, List<String> jvmOptions) throws IOException {
        Map<String, String> environment = environment();
        environment.putAll(more);
        return of(Program.java("flk-backend", directory, environment, jvmOptions));
    }

    /** Wraps a backend program that the caller has already started. */
    static BackendProcess of(Program program) {
        try {
            return new BackendProcess(program);
        } catch (AssertionError e) {
            program.close();
            throw e;
        }
    }

    Program program() {
        return program;
    }

    int port() {
        return port;
    }

    String url() {
        return "http://127.0.0.1:" + port;
    }

    /** Returns the HTTPS URL, with the host name that the tests' TLS certificates name. */
    String tlsUrl() {
        return "https://localhost:" + port;
    }

    /** Returns the port for metrics and probes of a backend that is configured with {@code OPS_PORT}. */
    int opsPort() {
        String line = program.awaitLine(text -> text.contains("metrics and probes on "));
        return Integer.parseInt(line.substring(line.lastIndexOf(' ') + 1));
    }

    String opsUrl() {
        return "http://127.0.0.1:" + opsPort();
    }

    @Override
    public void close() {
        program.close();
    }
}
