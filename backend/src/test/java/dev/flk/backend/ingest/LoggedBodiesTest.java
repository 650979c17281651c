// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.inbox.LoggedBodies;
import dev.flk.backend.inbox.LoggedBodies.Body;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the bodies that the page of a certificate reads from the log. */
final class LoggedBodiesTest {
    @TempDir
    private Path directory;

    private final Clock clock = new Clock();

    @Test
    void find_idDecidedAgainAfterItExpired_returnsOnlyTheBodyDecidedThen() throws IOException {
        try (IngestHarness harness = new IngestHarness(directory.resolve("log"), clock)) {
            harness.submit(Pcs.number(1));
            clock.millis += IngestHarness.TTL.plusHours(1).toMillis();
            Instant arrived = clock.wall();
            Pcs other = Pcs.number(1).with("D_hat", "0.1");
            harness.submit(other);

            assertThat(new LoggedBodies(harness.decidedLog()).find(other.id(), arrived))
                    .extracting(Body::text)
                    .containsExactly(new String(other.bytes(), StandardCharsets.UTF_8));
        }
    }

    @Test
    void find_clockWasSetBackBefore_returnsTheBody() throws IOException {
        try (IngestHarness harness = new IngestHarness(directory.resolve("log"), clock)) {
            for (int i = 1; i <= 3; i++) {
                harness.submit(Pcs.number(i));
            }
            clock.setByMillis = -Duration.ofMinutes(4).toMillis();
            Instant arrived = clock.wall();
            harness.submit(Pcs.number(4));

            assertThat(new LoggedBodies(harness.decidedLog()).find(Pcs.number(4).id(), arrived))
                    .hasSize(1);
        }
    }
}
