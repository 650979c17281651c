// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.inbox.LoggedBodies;
import dev.flk.backend.inbox.LoggedBodies.Body;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

/** Tests of the bodies that the page of a certificate reads from the log. */
final class LoggedBodiesTest {
    private final World world = new World();
    private final Simulation simulation = new Simulation(world, new SimulatedStore(world));

    @Test
    void find_idDecidedAgainAfterItExpired_returnsOnlyTheBodyDecidedThen() throws IOException {
        simulation.start();
        simulation.submitted(Pcs.number(1));
        world.advance(Simulation.TTL.plusHours(1));
        Pcs other = Pcs.number(1).with("D_hat", "0.1");
        simulation.submitted(other);

        assertThat(new LoggedBodies(simulation.decidedLog()).find(other.id(), lastArrival()))
                .extracting(Body::text)
                .containsExactly(new String(other.bytes(), StandardCharsets.UTF_8));
    }

    @Test
    void find_clockWasSetBackBefore_returnsTheBody() throws IOException {
        simulation.start();
        for (int i = 1; i <= 3; i++) {
            simulation.submitted(Pcs.number(i));
        }
        simulation.clock.set(Duration.ofMinutes(-4));
        simulation.submitted(Pcs.number(4));

        assertThat(new LoggedBodies(simulation.decidedLog()).find(Pcs.number(4).id(), lastArrival()))
                .hasSize(1);
    }

    private Instant lastArrival() throws IOException {
        var log = simulation.log();
        return Instant.ofEpochMilli(log.get(log.size() - 1).arrivalMillis());
    }
}
