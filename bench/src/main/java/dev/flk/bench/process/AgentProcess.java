// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.io.Closeable;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An agent in 64 MiB of heap that takes certificates on a port and ships them. */
public record AgentProcess(Program program, int intakePort, int metricsPort) implements Closeable {
    private static final String HEAP = "-Xmx64m";
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    /** One with its outbox in a directory. */
    public static AgentProcess start(Path directory, String endpoint) throws IOException, InterruptedException {
        Map<String, String> environment = environment(endpoint);
        environment.put("INTAKE_PORT", "0");
        environment.put("METRICS_PORT", "0");
        Program program = Program.java(
                "agent",
                directory,
                environment,
                List.of(HEAP, "-jar", Jars.of("agent").toString(), "run"));
        String line = program.awaitLine(text -> text.contains("taken on loopback port "));
        return new AgentProcess(program, number(line, "taken on loopback port "), number(line, "metrics on port "));
    }

    /** {@code submit} of files, in the same directory; returns when all is on disk. */
    public static void submit(Path directory, Path file) throws IOException, InterruptedException {
        try (Program submit = Program.java(
                "submit",
                directory,
                environment("http://127.0.0.1:9"),
                List.of(HEAP, "-jar", Jars.of("agent").toString(), "submit", file.toString()))) {
            if (submit.awaitEnd() != 0) {
                throw new IOException("submit failed: " + submit.lines());
            }
        }
    }

    private static Map<String, String> environment(String endpoint) {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("ENDPOINT", endpoint);
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY", Server.SECRET);
        environment.put("OUTBOX_MAX_BYTES", "16GiB");
        return environment;
    }

    private static int number(String line, String behind) {
        String rest = line.substring(line.indexOf(behind) + behind.length());
        return Integer.parseInt(rest.split("\\D", 2)[0]);
    }

    /** How many certificates wait. */
    public long pending() throws IOException, InterruptedException {
        String page = HTTP.send(
                        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + metricsPort + "/metrics"))
                                .build(),
                        HttpResponse.BodyHandlers.ofString())
                .body();
        return page.lines()
                .filter(line -> line.startsWith("flk_agent_outbox_pending "))
                .map(line -> Math.round(Double.parseDouble(line.substring(line.indexOf(' ') + 1))))
                .findFirst()
                .orElseThrow(() -> new IOException("the agent does not say how many wait"));
    }

    @Override
    public void close() {
        program.close();
    }
}
