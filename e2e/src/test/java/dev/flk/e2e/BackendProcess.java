// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A backend on a free port, with its data in a directory; ready when it is given out, unless its store or its disk can't be used. */
final class BackendProcess implements AutoCloseable {
    private final Program program;
    private final int port;

    private BackendProcess(Program program) {
        this.program = program;
        String line = program.awaitLine(text -> text.contains("listening on "));
        this.port = Integer.parseInt(line.substring(line.lastIndexOf(' ') + 1));
        String state = program.awaitLine(
                text -> isReady(text) || text.contains("submissions are logged; they are") || isRefusing(text));
        if (!isReady(state) && !isRefusing(state)) {
            program.awaitLine(
                    text -> isReady(text) || text.contains("Error reaching ") || text.contains(" can't be used: "));
        }
    }

    private static boolean isRefusing(String line) {
        return line.contains("ERROR ingest - disk full: ");
    }

    private static boolean isReady(String line) {
        return line.contains("ready: submissions are taken");
    }

    /**
     * Returns the environment with which every backend of these tests is started: a free port, the sample key, limits
     * that no test reaches, no state.
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

    /** Starts a backend with additional or different configuration. */
    static BackendProcess start(Path directory, Map<String, String> more) throws IOException {
        return start(directory, more, List.of());
    }

    /** Starts a backend with additional or different configuration and options of the JVM. */
    static BackendProcess start(Path directory, Map<String, String> more, List<String> jvmOptions) throws IOException {
        Map<String, String> environment = environment();
        environment.putAll(more);
        return of(Program.java("flk-backend", directory, environment, jvmOptions));
    }

    /** Returns the backend of a program that was started in another way. */
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

    /** Returns the HTTPS URL, with a host name for which certificates can be issued. */
    String tlsUrl() {
        return "https://localhost:" + port;
    }

    /** Returns the port of metrics and probes of a backend with {@code OPS_PORT}. */
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
