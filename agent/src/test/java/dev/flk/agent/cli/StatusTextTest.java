// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.StatusCommand.StatusText;
import dev.flk.agent.control.StatusReport;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StatusTextTest {
    private static final Instant NOW = Instant.parse("2026-11-20T08:00:00Z");

    @ParameterizedTest
    @CsvSource({
        "true, 2026-11-20T07:56:55Z, , last answered 3 min 5 s ago",
        "true, 2026-11-20T07:59:59Z, refused, last answered 1 s ago",
        "true, 2026-11-20T09:00:00Z, , last answered 0 s ago",
        "true, , , not asked yet",
        "true, , refused, no answer yet",
        "false, 2026-11-20T06:00:00Z, refused, 'does not answer, last answered 2 h 0 min ago'",
        "false, , refused, 'does not answer, no answer yet'",
    })
    void backend_isSaidToHaveAnswered_whenItDid(boolean answering, String lastAnswer, String error, String said) {
        String text = StatusText.of(
                with(new StatusReport.Backend(
                        "http://a:1", answering, lastAnswer, 0, 1, 0, error == null ? null : NOW.toString(), error)),
                NOW);

        assertThat(text.lines()).containsSubsequence("backend   http://a:1", "          " + said);
    }

    private static StatusReport with(StatusReport.Backend backend) {
        return new StatusReport(
                7L, "outbox", 0, 0, null, null, 0, 0.0, 0L, List.of(backend), 0L, "dlq", 0, 0, 0, 1, 1, 0);
    }
}
