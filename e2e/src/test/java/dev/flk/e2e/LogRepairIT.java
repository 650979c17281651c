// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@code wal verify} while a backend is under load, and of {@code wal repair} on a damaged log. */
final class LogRepairIT {
    private static final int RUNS = 3;
    private static final int EACH = 4;
    /** The configuration of a backend that rebuilds its store from the log at each start. */
    private static final Map<String, String> REBUILT_FROM_THE_LOG = Map.of("DEDUP_BACKEND", "memory");

    @TempDir
    private Path directory;

    private Path log() {
        return directory.resolve("data/wal");
    }

    private ServedBackend start() throws IOException {
        return BackendInJvm.start(directory, REBUILT_FROM_THE_LOG);
    }

    @Test
    void verify_backendUnderLoad_seesAllAnswered() throws Exception {
        try (ServedBackend backend = start();
                Traffic traffic = new Traffic(backend.url(), 1, 100)) {
            for (int look = 0; look < 3; look++) {
                int before = traffic.answered().size();
                JsonNode verified = last(wal("verify"));
                assertThat(verified.get("records").longValue()).isGreaterThanOrEqualTo(before);
                assertThat(verified.get("missing").longValue()).isZero();
            }
            traffic.end();
            assertThat(last(wal("verify")).get("records").longValue())
                    .isEqualTo(Traffic.count(traffic.answered(), 200));
        }
    }

    @Test
    void damagedInTheMiddle_isRefusedUntilRepaired_restIsAnsweredAsBefore() throws Exception {
        List<String> bodies = new ArrayList<>();
        for (int run = 0; run < RUNS; run++) { // each run creates a segment
            try (ServedBackend backend = start()) {
                Client client = new Client(backend.url());
                for (int i = 0; i < EACH; i++) {
                    bodies.add(client.submit(Pcs.number(bodies.size() + 1)).body());
                }
            }
        }
        LogFiles.Place third = LogFiles.inbox(log()).flip(Pcs.number(3));
        LogFiles.Place sixth = LogFiles.inbox(log()).flip(Pcs.number(6));
        byte[] damaged = Files.readAllBytes(log().resolve(third.segment()));

        Command refused = BackendInJvm.refused(directory, Map.of()).exits(1);
        assertThat(refused.err())
                .contains("segment " + third.segment() + " is damaged at byte " + third.offset()
                        + ": record 3 can't be read");
        assertThat(log().resolve(third.segment())).hasBinaryContent(damaged);

        assertThat(wal("repair"))
                .filteredOn(line -> line.get("type").textValue().equals("lost"))
                .extracting(LogRepairIT::loss)
                .containsExactly(third + " 3 to 3", sixth + " 6 to 6");
        assertThat(log().resolve(third.segment() + ".broken")).exists();

        try (ServedBackend backend = start()) {
            Client client = new Client(backend.url());
            for (int number = 1; number <= bodies.size(); number++) {
                Answer answer = client.get("/v1/pcs/" + Pcs.number(number).id());
                if (number == 3 || number == 6) {
                    assertThat(answer.status()).isEqualTo(404);
                } else {
                    assertThat(answer.body()).isEqualTo(bodies.get(number - 1));
                }
            }
            assertThat(client.submit(Pcs.number(100)).status()).isEqualTo(200);
        }
        JsonNode verified = last(wal("verify"));
        assertThat(verified.get("whole").booleanValue()).isTrue();
        assertThat(verified.get("lost").longValue()).isEqualTo(2);
    }

    private static String loss(JsonNode line) {
        return new LogFiles.Place(
                        line.get("segment").textValue(), line.get("offset").longValue()) + " " + line.get("first_lost")
                + " to " + line.get("last_lost");
    }

    /** Runs a {@code wal} command, which must succeed, on the backend's log, and returns its JSON lines. */
    private List<JsonNode> wal(String command) {
        Map<String, String> environment = Map.of("WAL_DIR", log().toString());
        return Command.ofBackend(environment, "wal", command, "--json")
                .exits(0)
                .out()
                .lines()
                .map(StrictJson::read)
                .toList();
    }

    private static JsonNode last(List<JsonNode> lines) {
        return lines.get(lines.size() - 1);
    }
}
