// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.client.StateClient;
import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Predicate;

/**
 * A backend, or a program of the state, that serves on a free port of loopback: a {@link BackendProcess}, a {@link
 * BackendInJvm} or a {@link StateInJvm}.
 */
abstract class ServedBackend implements AutoCloseable {
    private static final int MOST_NAME_CHARS = 100;

    /**
     * Returns the default environment of backends in these tests: a free port, the sample key, a rate limit that no
     * test reaches.
     */
    static Map<String, String> environment() {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("PORT", "0");
        environment.put("BIND_ADDR", "127.0.0.1");
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY", Pcs.KEY);
        environment.put("TOKEN_RATE", "1000000");
        environment.put("WARM_UP", "off"); // saves each test a second
        return environment;
    }

    /**
     * Returns settings that extend or override {@link #environment}. The log is named after its directory: the default,
     * with port 0, is that of all backends of these tests, and a store knows each log by a name of its own.
     */
    static Map<String, String> environment(Path directory, Map<String, String> more) {
        Map<String, String> environment = environment();
        environment.putAll(more);
        String log = directory
                .resolve(environment.getOrDefault("WAL_DIR", "data/wal"))
                .toString()
                .replaceAll("[^A-Za-z0-9._-]", "-");
        environment.putIfAbsent("LOG_NAME", log.substring(Math.max(0, log.length() - MOST_NAME_CHARS)));
        return environment;
    }

    /**
     * Blocks until the backend has logged a matching line, and returns the line. Lines logged before the call count.
     */
    abstract String awaitLine(Predicate<String> wanted);

    /** Returns the log up to now. */
    abstract String allLines();

    /** Blocks until the backend is ready, unless its store or its disk can't be used. */
    final void awaitServing() {
        String state = awaitLine(
                text -> isReady(text) || text.contains("the dedup store is not ready yet") || isRefusing(text));
        if (!isReady(state) && !isRefusing(state)) {
            awaitLine(text -> isReady(text) || text.contains("Error reaching ") || text.contains(" can't be used: "));
        }
    }

    private static boolean isRefusing(String line) {
        return line.contains("ERROR ingest - disk full: ");
    }

    private static boolean isReady(String line) {
        return line.contains(" ready: ");
    }

    final int port() {
        return port("listening on ");
    }

    private int port(String logged) {
        String line = awaitLine(text -> text.contains(logged) && text.contains(" port "));
        return Integer.parseInt(line.replaceFirst(".* port ([0-9]+).*", "$1"));
    }

    final String url() {
        return "http://127.0.0.1:" + port();
    }

    /** Returns the HTTPS URL, with the host name that the tests' TLS certificates name. */
    final String tlsUrl() {
        return "https://localhost:" + port();
    }

    /** Returns the port for metrics and probes of a backend that is configured with {@code OPS_PORT}. */
    final int opsPort() {
        return port("metrics and probes on ");
    }

    final String opsUrl() {
        return "http://127.0.0.1:" + opsPort();
    }

    /** Returns the URL of the state of a program of the state. */
    final String stateUrl() {
        return "http://127.0.0.1:" + port("serving the state on ");
    }

    final StateClient connectToState() {
        return StateClient.connect(stateUrl().replace("http://127.0.0.1", "localhost"));
    }

    @Override
    public abstract void close();
}
