// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.control.StatusReport.Backend;
import dev.flk.agent.control.StatusReport.Disk;
import dev.flk.agent.control.StatusReport.Held;
import dev.flk.agent.control.StatusReport.HeldSignatures;
import dev.flk.agent.control.StatusReport.Sending;
import dev.flk.agent.control.StatusReport.Waiting;
import dev.flk.program.json.Json;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Tests the JSON form of a status, which monitoring reads from {@code status --json}. */
class StatusReportTest {
    @Test
    void json_isOneFlatObject_inTheOrderOfTheDocs() {
        StatusReport report = new StatusReport(
                1L,
                "/outbox",
                new Waiting(2, 3, "2026-11-20T08:00:00Z", 4L),
                new Sending(
                        5,
                        6.5,
                        7L,
                        List.of(new Backend("http://a:1", true, null, 0, 1, -8, null, null)),
                        9L,
                        new HeldSignatures(17, List.of("0123456789abcdef")),
                        new Held(10, "status 400")),
                "/dlq",
                11,
                12,
                new Disk(13, 14, 15, 16),
                null);

        assertThat(Json.line(report))
                .isEqualTo("{\"pid\":1,\"outbox\":\"/outbox\",\"pending\":2,\"pending_bytes\":3,"
                        + "\"oldest_added\":\"2026-11-20T08:00:00Z\",\"oldest_pending_seconds\":4,\"in_flight\":5,"
                        + "\"settled_per_second\":6.5,\"drain_seconds\":7,\"backends\":[{\"url\":\"http://a:1\","
                        + "\"answering\":true,\"paused_seconds\":0,\"window\":1,\"clock_ahead_ms\":-8}],"
                        + "\"held_shards\":9,\"held_signatures\":{\"certificates\":17,\"refused_by\":[\"0123456789abcdef\"]},"
                        + "\"held\":{\"certificates\":10,\"because\":\"status 400\"},"
                        + "\"dlq\":\"/dlq\",\"dlq_entries\":11,\"lost_records\":12,\"outbox_bytes\":13,"
                        + "\"outbox_max_bytes\":14,\"disk_free_bytes\":15,\"disk_min_free_bytes\":16}\n");
    }

    @Test
    void problems_oneBackendLags_nameIt() {
        StatusReport report = new StatusReport(
                1L,
                "/outbox",
                new Waiting(1, 1, null, null),
                new Sending(0, 1.0, null, List.of(), 0L, new HeldSignatures(1, List.of("0123456789abcdef")), null),
                "/dlq",
                0,
                0,
                new Disk(1, 100, 3, 4),
                null);

        assertThat(report.problems(Duration.ofHours(1)))
                .anySatisfy(problem -> assertThat(problem)
                        .isEqualTo("the backend with instance id 0123456789abcdef refuses signatures that another"
                                + " backend accepts; update its keys (flk backend keys list)"));
    }

    @Test
    void json_noAgentRuns_omitsWhatOnlyAnAgentKnows() {
        StatusReport report = new StatusReport(
                null,
                "/outbox",
                new Waiting(0, 0, null, null),
                Sending.UNKNOWN,
                "/dlq",
                0,
                0,
                new Disk(1, 2, 3, 4),
                null);

        assertThat(Json.line(report))
                .isEqualTo("{\"outbox\":\"/outbox\",\"pending\":0,\"pending_bytes\":0,\"dlq\":\"/dlq\","
                        + "\"dlq_entries\":0,\"lost_records\":0,\"outbox_bytes\":1,\"outbox_max_bytes\":2,"
                        + "\"disk_free_bytes\":3,\"disk_min_free_bytes\":4}\n");
    }
}
