// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.testing.FreePort;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A real Prometheus with alert rules, which scrapes its targets four times a second. It ends with its test. */
final class PrometheusServer implements AutoCloseable {
    private static final JsonMapper JSON = new JsonMapper();

    private static final Pattern RANGE = Pattern.compile("(?<=\\[|offset )[0-9]+[mhd]\\b");
    private static final Pattern FOR = Pattern.compile("(?<=for: )[0-9]+[mhd]\\b");

    /** Above five seconds where it is about a disk: a backend looks that often how much is free. */
    private static final Map<String, String> RANGES =
            Map.of("5m", "2s", "30m", "8s", "1h", "9s", "6h", "10s", "3d", "11s", "1d", "60s");

    private static final Map<String, String> FORS =
            Map.of("1m", "1s", "2m", "1s", "5m", "1s", "10m", "2s", "15m", "2s", "1h", "2s");

    private final Path targets;
    private final Path log;
    private final Process process;
    private final Client client;
    private final Map<String, String> scraped = new TreeMap<>();

    private PrometheusServer(Path directory, Path program, String rules) throws IOException {
        targets = directory.resolve("targets.json");
        log = directory.resolve("prometheus.log");
        Files.writeString(directory.resolve("rules.yaml"), rules);
        Files.writeString(directory.resolve("prometheus.yaml"), """
                global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}
                rule_files: [rules.yaml]
                scrape_configs:
                  - job_name: all
                    file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]
                """);
        writeTargets();
        int port = FreePort.choose();
        process = new ProcessBuilder(List.of(
                        program.toString(),
                        "--config.file=" + directory.resolve("prometheus.yaml"),
                        "--storage.tsdb.path=" + directory.resolve("series"),
                        "--web.listen-address=127.0.0.1:" + port))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        client = new Client("http://127.0.0.1:" + port);
    }

    /**
     * Rules with windows of seconds for those of hours and days, in the same order of length: what makes an alert fire and end stays the
     * same. Limits of a share, a rate or of bytes are left alone; limits of a time are not.
     */
    static String hastened(String rules) {
        return replace(FOR, FORS, replace(RANGE, RANGES, rules))
                .replace("> bool 3600", "> bool 2")
                .replace("> 3600 < 86400", "> 2 < 86400")
                .replace("> 600 or", "> 3 or")
                .replace("> bool 60", "> bool 1");
    }

    private static String replace(Pattern time, Map<String, String> seconds, String rules) {
        return time.matcher(rules).replaceAll(found -> {
            String hastened = seconds.get(found.group());
            if (hastened == null) {
                throw new AssertionError("say how long " + found.group() + " is to be here");
            }
            return Matcher.quoteReplacement(hastened);
        });
    }

    /** Starts it, and returns once it evaluates; skips the test where there is none. */
    static PrometheusServer start(Path directory, String rules) throws Exception {
        Path program = HostProgram.orSkip("prometheus", "prometheus", directory).path();
        PrometheusServer server = new PrometheusServer(directory, program, rules);
        try {
            Client.awaitUntil(server::isReady);
        } catch (RuntimeException e) {
            server.close();
            throw new AssertionError(Files.readString(server.log), e);
        }
        return server;
    }

    private boolean isReady() throws Exception {
        if (!process.isAlive()) {
            throw new IllegalStateException("prometheus ended");
        }
        try {
            return client.get("/-/ready").status() == 200;
        } catch (IOException e) {
            return false; // it does not listen yet
        }
    }

    /** From now on scrapes this port as the only instance of that job. */
    void scrape(String job, int port) throws IOException {
        scraped.put(job, "127.0.0.1:" + port);
        writeTargets();
    }

    /** From now on scrapes nobody. */
    void forgetAll() throws IOException {
        scraped.clear();
        writeTargets();
    }

    /** Until it was scraped. */
    void awaitUp(String job) {
        Client.awaitUntil(() -> {
            JsonNode up = JSON.readTree(client.get("/api/v1/query?query=up%7Bjob%3D%22" + job + "%22%7D")
                            .body())
                    .at("/data/result/0/value/1");
            return up.asText().equals("1");
        });
    }

    private void writeTargets() throws IOException {
        List<Map<String, Object>> all = scraped.entrySet().stream()
                .map(target -> Map.<String, Object>of(
                        "targets", List.of(target.getValue()), "labels", Map.of("job", target.getKey())))
                .toList();
        Path fresh = targets.resolveSibling("targets.fresh");
        Files.write(fresh, JSON.writeValueAsBytes(all));
        Files.move(fresh, targets, StandardCopyOption.ATOMIC_MOVE);
    }

    /** What fires for a job, as {@code name severity}; with the empty name what fires for no job in particular. */
    Set<String> firing(String job) throws Exception {
        Set<String> firing = new TreeSet<>();
        JsonNode alerts = JSON.readTree(client.get("/api/v1/alerts").body()).at("/data/alerts");
        for (JsonNode alert : alerts) {
            JsonNode labels = alert.path("labels");
            if (alert.path("state").asText().equals("firing")
                    && labels.path("job").asText().equals(job)) {
                firing.add(labels.path("alertname").asText() + " "
                        + labels.path("severity").asText());
            }
        }
        return firing;
    }

    @Override
    public void close() {
        process.destroy();
        process.onExit().join();
    }
}
