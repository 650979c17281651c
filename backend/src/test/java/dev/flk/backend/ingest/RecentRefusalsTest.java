// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.backend.ingest.RecentRefusals.Group;
import java.time.Instant;
import org.junit.jupiter.api.Test;

final class RecentRefusalsTest {
    private static final Instant NOW = Instant.parse("2026-11-30T12:00:00Z");

    private final RecentRefusals refusals = new RecentRefusals();

    @Test
    void at_countsByReasonKeyAndAddress_forAnHour() {
        refusals.add("revoked", "k1", "10.0.0.1", "press", "id 1", NOW);
        refusals.add("malformed", null, "10.0.0.2", "", "no shard", NOW.plusSeconds(1));
        refusals.add("revoked", "k1", "10.0.0.1", "press", "id 2", NOW.plusSeconds(2));

        assertThat(refusals.at(NOW.plusSeconds(3_601)))
                .extracting(Group::reason, Group::keyId, Group::detail, Group::count, Group::first)
                .containsExactly(
                        tuple("revoked", "k1", "id 2", 2L, NOW),
                        tuple("malformed", "", "no shard", 1L, NOW.plusSeconds(1)));
        assertThat(refusals.at(NOW.plusSeconds(3_602))).hasSize(1);
        assertThat(refusals.at(NOW.plusSeconds(3_603))).isEmpty();
        refusals.add("revoked", "k1", "10.0.0.1", "press", "id 3", NOW.plusSeconds(9_000));
        assertThat(refusals.at(NOW.plusSeconds(9_000))).extracting(Group::count).containsExactly(1L);
    }

    @Test
    void add_manySenders_forgetsTheOldest() {
        for (int i = 0; i < 150; i++) {
            refusals.add("malformed", null, "10.0.0." + i, "x".repeat(100), "", NOW.plusSeconds(i));
        }

        assertThat(refusals.at(NOW))
                .hasSize(100)
                .first()
                .extracting(Group::address, group -> group.shard().length())
                .containsExactly("10.0.0.149", 64);
    }
}
