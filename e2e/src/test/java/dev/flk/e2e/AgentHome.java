// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.run.Agent;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The directory of an agent, with methods that run programs in it. */
record AgentHome(Path directory) {
    private static final String NOWHERE = "http://127.0.0.1:9";

    /** Returns an agent's home in an existing, empty directory. */
    static AgentHome in(Path directory) throws IOException {
        AgentHome home = new AgentHome(directory.toRealPath());
        Files.createDirectory(home.spool());
        Files.createDirectory(home.directory.resolve("outside"));
        return home;
    }

    Path outbox() {
        return directory.resolve("outbox");
    }

    Path spool() {
        return directory.resolve("spool");
    }

    Path letters() {
        return directory.resolve("dlq.jsonl");
    }

    Path control() {
        return outbox().resolve("control.sock");
    }

    /** Returns the environment of an agent with an endpoint at which no backend listens. */
    Map<String, String> sendingNowhere() {
        return sendingTo(NOWHERE);
    }

    Map<String, String> sendingTo(String endpoint) {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("ENDPOINT", endpoint);
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY", Pcs.KEY);
        environment.put("OUTBOX_PATH", outbox().toString());
        environment.put("DLQ_PATH", letters().toString());
        environment.put("SPOOL_DIR", spool().toString());
        environment.put("BATCH_SIZE", "2");
        environment.put("BASE_DELAY", "20ms");
        environment.put("MAX_DELAY", "200ms");
        return environment;
    }

    /** Starts a command. */
    Program start(Map<String, String> environment, String... args) throws IOException {
        return Program.java("flk-agent", directory, environment, Program.QUICK_START, args);
    }

    /** Returns an agent that sends in this JVM, for tests that do not kill or signal it or read its output. */
    static Agent open(Map<String, String> environment) throws IOException {
        return Agent.open(AgentConfig.load(environment, null, Set.of(Need.ENDPOINT, Need.SIGNING)));
    }

    /** Runs a command, which must succeed, in this JVM. */
    static void succeed(Map<String, String> environment, String... args) {
        Command.ofAgent(environment, args).exits(0);
    }

    /** Writes certificates to a file, one per line, and moves the file into the spool. */
    void spool(String name, List<Pcs> certificates) throws IOException {
        Path written = directory.resolve("outside").resolve(name + ".ndjson");
        Files.writeString(written, lines(certificates));
        Files.move(written, spool().resolve(name + ".ndjson"));
    }

    /** Writes a certificate to a file outside the spool. */
    Path file(String name, Pcs certificate) throws IOException {
        return Files.writeString(directory.resolve("outside").resolve(name + ".json"), unsigned(certificate));
    }

    static String unsigned(Pcs certificate) {
        return certificate.without("sig").json();
    }

    private static String lines(List<Pcs> certificates) {
        return certificates.stream().map(AgentHome::unsigned).collect(Collectors.joining("\n", "", "\n"));
    }

    boolean spoolIsEmpty() throws IOException {
        try (Stream<Path> files = Files.list(spool())) {
            return files.findAny().isEmpty();
        }
    }

    /** Returns the status that a running agent reports. */
    JsonNode status() throws IOException {
        return StrictJson.read(LocalPost.get(control(), "/v1/status").body());
    }

    /** Returns the metrics port of a running agent that was started with {@code METRICS_PORT}. */
    static int metricsPort(Program agent) {
        String line = agent.awaitLine(text -> text.contains("metrics are on port "));
        return Integer.parseInt(line.replaceAll(".*metrics are on port ([0-9]+).*", "$1"));
    }

    static Client metrics(Program agent) {
        return new Client("http://127.0.0.1:" + metricsPort(agent));
    }

    static Client metrics(Agent agent) {
        return new Client("http://127.0.0.1:" + agent.metricsPort().orElseThrow());
    }

    /** Returns the lines of the dead-letter file. */
    List<String> deadLetters() throws IOException {
        return Files.exists(letters()) ? Files.readAllLines(letters()) : List.of();
    }
}
