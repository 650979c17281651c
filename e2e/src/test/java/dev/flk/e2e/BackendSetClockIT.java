// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The clock of a running backend jumps by weeks, back and ahead, for seconds: no answer is changed or forgotten. */
final class BackendSetClockIT {
    @TempDir
    private Path directory;

    private final Map<Pcs, String> answered = new LinkedHashMap<>();

    @Test
    void clockJumpsForSeconds_everyAnswerStands() throws Exception {
        FakeClock clock = FakeClock.in(directory);
        try (BackendProcess backend = BackendProcess.start(directory, clock.environment())) {
            Client client = new Client(backend.url());
            long epoch = 1;
            for (int days : List.of(-20, 20, -20)) {
                submit(client, epoch++);
                jump(clock, client, Duration.ofDays(days));
                submit(client, epoch++);
                assertAnswersStand(client);
                jump(clock, client, Duration.ZERO);
                submit(client, epoch++);
                assertAnswersStand(client);
            }
        }
    }

    private void submit(Client client, long epoch) throws Exception {
        Pcs pcs = Pcs.number(epoch);
        Answer answer = client.submit(pcs);
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.has("X-Flk-Duplicate")).isFalse();
        answered.put(pcs, answer.body());
    }

    private void assertAnswersStand(Client client) throws Exception {
        for (Map.Entry<Pcs, String> each : answered.entrySet()) {
            Answer again = client.submit(each.getKey());
            assertThat(again.has("X-Flk-Duplicate")).isTrue();
            assertThat(again.body()).isEqualTo(each.getValue());
            Answer other = client.submit(each.getKey().with("budget", "0.9"));
            assertThat(other.has("X-Flk-Conflict")).isTrue();
            assertThat(other.body()).isEqualTo(each.getValue());
        }
    }

    /** Sets the clock, and waits until the backend's answers show it. */
    private static void jump(FakeClock clock, Client client, Duration ahead) throws Exception {
        clock.set(ahead);
        Client.awaitUntil(() -> {
            Instant shown = ZonedDateTime.parse(
                            client.get("/health").header("Date"), DateTimeFormatter.RFC_1123_DATE_TIME)
                    .toInstant();
            return Duration.between(Instant.now().plus(ahead), shown).abs().compareTo(Duration.ofMinutes(1)) < 0;
        });
    }
}
