// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.outcomes.record.OutcomeQuery.InvalidQueryException;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the texts of an {@link OutcomeQuery}. */
final class OutcomeQueryTest {
    private static final String TIME = "2026-01-31T12:00:00Z";

    @Test
    void parse_shardAlone_isInTheOrderOfEpochs() {
        assertThat(OutcomeQuery.parse(Map.of("shard", "a", "limit", "5", "cursor", "x")))
                .isEqualTo(OutcomeQuery.ALL.withShard("a").withOrder(Order.EPOCH));
        assertThat(OutcomeQuery.parse(Map.of("shard", "a", "key", "k")))
                .isEqualTo(OutcomeQuery.ALL.withShard("a").withKey("k"));
        assertThat(OutcomeQuery.parse(Map.of("shard", "a", "order", "newest")))
                .isEqualTo(OutcomeQuery.ALL.withShard("a").withOrder(Order.NEWEST));
    }

    @Test
    void parse_clock_choosesTheTimeOfTheRange() {
        Span since = new Span(Instant.parse(TIME), null);

        assertThat(OutcomeQuery.parse(Map.of("from", TIME)).received()).isEqualTo(since);
        assertThat(OutcomeQuery.parse(Map.of("measured_from", TIME)).measured()).isEqualTo(since);
        OutcomeQuery measured = OutcomeQuery.parse(Map.of("from", TIME, "clock", "measured"));
        assertThat(measured.measured()).isEqualTo(since);
        assertThat(measured.received()).isEqualTo(Span.ALWAYS);
        assertThat(OutcomeQuery.parse(Map.of("clock", "measured")).measured().isOpen())
                .as("outcomes without a measurement are left out")
                .isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "verdict | good  | verdict is not one of accepted, escalated, rejected",
                "regime  | good  | regime is not one of mixed, non_sticky, sticky",
                "order   | epoch | order is not one of newest, oldest",
                "id      | ABC   | id is not 8 to 64 lower-case hex digits",
                "to      | soon  | to is not a time; write it like 2026-01-31T12:00:00Z"
            })
    void parse_invalidValue_saysWhatItIsNot(String name, String value, String problem) {
        assertThatThrownBy(() -> OutcomeQuery.parse(Map.of(name, value)))
                .isInstanceOf(InvalidQueryException.class)
                .hasMessage(problem);
    }
}
