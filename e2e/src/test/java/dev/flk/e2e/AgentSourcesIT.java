// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests an agent that follows the files of its sources, is killed with {@code kill -9} while they are rotated, and reads
 * the file of sources again. {@code -Dflk.kills=20} kills it more often.
 */
final class AgentSourcesIT {
    private static final int KILLS = Integer.getInteger("flk.kills", 1);
    private static final String HEADING = "time;sensor;temp\n";
    private static final String GROWING = """
              - name: %1$s
                files: %1$s/*.csv
                delimiter: ";"
                decimal: ","
                time: time
                values: [temp]
                window: 20
                shard: {column: sensor}
            """;
    private static final String COMPLETE = """
              - name: lab
                files: lab/*.csv
                complete: true
                time: {column: time, zone: UTC}
                values: [x]
                window: 30
            """;

    @TempDir
    private Path directory;

    private final Random random = new Random(5);
    /** The rows of each sensor. */
    private final Map<Integer, List<String>> written = new TreeMap<>();

    private int rows;
    private int rotations;

    @Test
    void agent_killedWhileFilesAreRotated_certifiesEveryRowOnce_andReloadsItsSources() throws Exception {
        AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        Path hall = Files.createDirectory(home.directory().resolve("hall")).resolve("a.csv");
        Path lab = Files.createDirectory(home.directory().resolve("lab"));
        Files.writeString(hall, HEADING);
        Path file = home.directory().resolve("sources.yaml");
        Files.writeString(file, "sources:\n" + GROWING.formatted("hall") + GROWING.formatted("gone"));
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of())) {
            Map<String, String> environment = home.sendingTo(backend.url());
            environment.put("SOURCES_FILE", file.toString());
            Client client = new Client(backend.url());
            for (int kill = 0; kill <= KILLS; kill++) {
                long before = expected(hall).size();
                try (Program agent = home.start(environment, "run")) {
                    for (int step = 0; step < 6; step++) {
                        write(hall);
                        long some = Math.min(before + step, expected(hall).size());
                        Client.awaitUntil(() -> client.metric("flk_accepted") >= some);
                    }
                    agent.kill();
                }
            }
            environment.put("METRICS_PORT", "0");
            try (Program agent = home.start(environment, "run")) {
                Client.awaitUntil(
                        () -> client.metric("flk_accepted") == expected(hall).size());
                JsonNode gone = home.status().get("sources").get(1);
                assertThat(gone.get("problem").textValue()).contains("can't search");
                assertThat(AgentHome.metrics(agent).get("/metrics").body())
                        .contains("flk_agent_source_problem{source=\"gone\",} 1.0");
                assertThat(Command.ofAgent(environment, "status").exits(1).all())
                        .contains("source gone: can't search");

                Files.writeString(lab.resolve("one.csv"), samples());
                Files.writeString(file, "sources:\n" + GROWING.formatted("hall") + "    - colour: red\n");
                agent.onReloadSignal();
                agent.awaitLine(line -> line.contains(" ERROR SIGHUP: ") && line.contains("sources.yaml, line "));

                Files.writeString(file, "sources:\n" + GROWING.formatted("hall") + COMPLETE);
                agent.onReloadSignal();
                write(hall);
                Client.awaitUntil(
                        () -> client.metric("flk_accepted") == expected(hall).size() + 2);
                assertThat(home.status().get("sources")).hasSize(2).noneMatch(source -> source.has("problem"));
                assertThat(agent.terminate()).isEqualTo(143);
            }
            for (String id : expected(hall)) {
                assertThat(client.get("/v1/pcs/" + id).status()).as(id).isEqualTo(200);
            }
            assertThat(home.deadLetters()).isEmpty();
        }
    }

    private static String samples() {
        StringBuilder text = new StringBuilder("time,x\n");
        for (int i = 0; i < 60; i++) {
            text.append("2026-11-30 10:00:%02d,%d.5%n".formatted(i, i * 7 % 13));
        }
        return text.toString();
    }

    /** Appends rows of three sensors, and now and then rotates the file before. */
    private void write(Path csv) throws IOException {
        if (rows > 0 && random.nextInt(3) == 0) {
            Path old = csv.resolveSibling("a.csv." + ++rotations);
            if (random.nextBoolean()) {
                Files.move(csv, old);
            } else {
                Files.copy(csv, old);
                Files.newOutputStream(csv).close();
            }
            Files.writeString(csv, HEADING, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
        StringBuilder text = new StringBuilder();
        int count = 20 + random.nextInt(40);
        for (int i = 0; i < count; i++) {
            rows++;
            String row = "%d;s%d;%d,%d%n".formatted(1_700_000_000 + rows, rows % 3, rows * 7 % 11, rows * rows % 10);
            text.append(row);
            written.computeIfAbsent(rows % 3, sensor -> new ArrayList<>()).add(row);
        }
        Files.writeString(csv, text, StandardOpenOption.APPEND);
    }

    /** Returns the ids of the certificates of the complete windows of all rows. */
    private Set<String> expected(Path csv) throws IOException {
        StringBuilder complete = new StringBuilder(HEADING);
        written.values()
                .forEach(lines -> lines.subList(0, lines.size() / 20 * 20).forEach(complete::append));
        if (complete.length() == HEADING.length()) {
            return Set.of();
        }
        Path all = Files.writeString(csv.resolveSibling("all.txt"), complete);
        String[] args = ("certify --print --delimiter=; --decimal=, --time=time --value=temp --shard-column=sensor"
                        + " --window=20 " + all)
                .split(" ");
        return Command.ofAgent(Map.of(), args)
                .exits(0)
                .out()
                .lines()
                .map(line -> line.replaceAll("\\{\"pcs_id\":\"(.*?)\".*", "$1"))
                .collect(Collectors.toSet());
    }
}
