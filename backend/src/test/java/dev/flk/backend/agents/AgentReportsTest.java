// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.agents.AgentReport.State;
import dev.flk.backend.agents.AgentReports.Page;
import dev.flk.backend.agents.AgentReports.Result.Accepted;
import dev.flk.backend.agents.AgentReports.Result.Older;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the reports in memory, with a clock that the test sets. */
final class AgentReportsTest {
    private static final Instant START = Instant.parse("2026-01-09T10:30:45Z");

    private final Metrics metrics = new Metrics("test");
    private final AgentMetrics agentMetrics = new AgentMetrics(metrics);
    private Instant now = START;
    private final AgentReports reports = reports(8 << 20);

    private AgentReports reports(long maxBytes) {
        return new AgentReports(new AgentConfig(Duration.ofMinutes(5)), () -> now, agentMetrics, maxBytes);
    }

    private AgentReports.Result report(String id, String body) {
        return reports.accept(id, body, now);
    }

    private static String from(String host, Instant sentAt) {
        return "{\"host\":\"%s\",\"started_at\":\"s\",\"sent_at\":\"%s\"}".formatted(host, sentAt);
    }

    private State state(String id) {
        return reports.find(id).orElseThrow().state(now, reports.silentAfter());
    }

    private String sample(String name) {
        return ScrapedText.text(metrics)
                .lines()
                .filter(line -> line.startsWith(name + " "))
                .findFirst()
                .orElseThrow()
                .substring(name.length() + 1);
    }

    @Test
    void report_becomesLateAndSilent_andIsForgottenAfterADay() {
        assertThat(report("a", "{\"pending\":1.50,\"ä\":\"\\n\"}")).isEqualTo(new Accepted(START));
        assertThat(reports.find("a").orElseThrow().json()).isEqualTo("{\"pending\":1.5,\"\\u00E4\":\"\\n\"}");
        assertThat(state("a")).isEqualTo(State.REPORTING);
        now = START.plusSeconds(150);
        assertThat(state("a")).isEqualTo(State.LATE);
        now = START.plusSeconds(300);
        assertThat(state("a")).isEqualTo(State.SILENT);
        assertThat(sample("flk_agents{state=\"silent\",}")).isEqualTo("1.0");
        now = START.plus(Duration.ofDays(1));
        assertThat(reports.find("a")).isPresent();
        now = now.plusSeconds(1);
        assertThat(reports.all("")).isEmpty();
        assertThat(sample("flk_agents{state=\"silent\",}")).isEqualTo("0.0");
    }

    @Test
    void agent_isSilentAfterThreeOfItsOwnReports() {
        report("often", "{\"every_seconds\":10}");
        report("seldom", "{\"every_seconds\":600}");
        report("nonsense", "{\"every_seconds\":-1}");
        report("each second", "{\"every_seconds\":1}");
        now = START.plusSeconds(14);
        assertThat(state("often")).isEqualTo(State.REPORTING);
        assertThat(state("each second")).isEqualTo(State.LATE);
        now = START.plusSeconds(15);
        assertThat(state("often")).isEqualTo(State.LATE);
        assertThat(state("each second")).isEqualTo(State.SILENT);
        now = START.plusSeconds(30);
        assertThat(state("often")).isEqualTo(State.SILENT);
        now = START.plusSeconds(301);
        assertThat(state("nonsense")).isEqualTo(State.SILENT);
        assertThat(state("seldom")).isEqualTo(State.REPORTING);
    }

    @Test
    void sourcesThatAreNotRead_areCounted_whileTheAgentReports() {
        report("a", "{\"every_seconds\":10,\"sources\":[{\"name\":\"hall\",\"bad_lines\":1067}]}");
        report("b", "{\"sources\":[]}");
        assertThat(sample("flk_agents_source_problems")).isEqualTo("1.0");
        now = START.plusSeconds(30);
        assertThat(sample("flk_agents_source_problems")).isEqualTo("0.0");
    }

    @Test
    void stoppedAgent_isNeverSilent_untilItReportsAgain() {
        report("a", "{\"stopped\":true}");
        now = START.plusSeconds(3600);
        assertThat(state("a")).isEqualTo(State.STOPPED);
        assertThat(reports.list("", Duration.ofMinutes(5), null, 10).reports()).isEmpty();
        report("a", "{}");
        assertThat(state("a")).isEqualTo(State.REPORTING);
    }

    @Test
    void olderReport_isRefusedForFiveMinutes_thenTheClockWasCorrected() {
        report("a", from("h", START.plusSeconds(3600)));
        now = START.plusSeconds(299);
        assertThat(report("a", from("h", now))).isEqualTo(new Older(START, "h"));
        assertThat(reports.accept("a", "{}", now))
                .as("without sent_at, the time of the signature counts")
                .isInstanceOf(Older.class);
        now = START.plusSeconds(300);
        assertThat(report("a", from("h", now))).isEqualTo(new Accepted(now));
        assertThat(sample("flk_agent_reports_total")).isEqualTo("2.0");
    }

    @Test
    void twoAgentsWithOneId_areNamedForAnHour_restartsAreNot() {
        for (String host : List.of("a", "a", "b", "b")) {
            now = now.plusSeconds(30);
            report("id", from(host, now));
        }
        assertThat(reports.find("id").orElseThrow().hostsOfTwo(now))
                .as("an agent that moved")
                .isEmpty();

        now = now.plusSeconds(30);
        report("id", from("a", now));
        report("id", from("a", now));

        AgentReport last = reports.find("id").orElseThrow();
        assertThat(last.hostsOfTwo(now)).containsExactly("b", "a");
        assertThat(last.hostsOfTwo(now.plusSeconds(3599))).hasSize(2);
        assertThat(last.hostsOfTwo(now.plusSeconds(3600))).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "{", "7", "{\"sent_at\":\"noon\"}"})
    void invalidReport_isRefused(String body) {
        assertThatThrownBy(() -> report("a", body)).isInstanceOf(IllegalArgumentException.class);
        assertThat(reports.all("")).isEmpty();
    }

    @Test
    void list_isInPages_byId() {
        for (int i = 0; i < 5; i++) {
            report("pump-" + i, "{}");
        }
        report("valve", "{}");
        Page first = reports.list("pump", Duration.ZERO, null, 3);
        assertThat(first.reports()).extracting(AgentReport::id).containsExactly("pump-0", "pump-1", "pump-2");
        assertThat(first.next()).isEqualTo("pump-2");
        Page rest = reports.list("pump", Duration.ZERO, first.next(), 3);
        assertThat(rest.reports()).extracting(AgentReport::id).containsExactly("pump-3", "pump-4");
        assertThat(rest.next()).isNull();
    }

    @Test
    void fullMemory_forgetsTheLongestSilence_andCountsIt() {
        String large = "{\"a\":\"" + "x".repeat(60_000) + "\"}";
        AgentReports small = reports(200_000);
        for (String id : List.of("a", "b", "c", "a", "d")) {
            now = now.plusSeconds(1);
            small.accept(id, large, now);
        }
        assertThat(small.all("")).extracting(AgentReport::id).containsExactly("a", "c", "d");
        assertThat(sample("flk_agents_forgotten_total")).isEqualTo("1.0");
    }

    @Test
    void mostAgents_areABound() {
        AgentReports large = reports(64 << 20);
        for (int i = 0; i <= AgentReports.MOST_AGENTS; i++) {
            now = now.plusMillis(1);
            large.accept("a" + i, "{}", now);
        }
        assertThat(large.all("").size()).isEqualTo(AgentReports.MOST_AGENTS);
        assertThat(large.find("a0")).isEmpty();
    }

    @Test
    void afterAStart_theListIsIncompleteForAMinute_orUntilOthersHaveSharedTheirs() {
        assertThat(reports.incompleteSince()).contains(START);
        now = START.plusSeconds(60);
        assertThat(reports.incompleteSince()).isEmpty();
        AgentReports sharing = reports(8 << 20);
        sharing.loaded();
        assertThat(sharing.incompleteSince()).isEmpty();
    }

    @Test
    void sharedReports_areTakenIfTheyAreNewer_andShowTwoAgentsAtTwoBackends() {
        AgentReports other = reports(8 << 20);
        assertThat(reports.takeUnshared()).isEmpty();
        report("id", from("a", now));
        AgentReport old = reports.takeUnshared().get("id");
        now = now.plusSeconds(15);
        other.accept("id", from("b", now), now);

        assertThat(other.takeShared("id", old.shared())).isTrue();
        assertThat(other.find("id").orElseThrow().instance().host()).isEqualTo("b");
        String shared = other.find("id").orElseThrow().shared();
        assertThat(reports.takeShared("id", shared)).isTrue();
        now = now.plusSeconds(15);
        report("id", from("a", now));

        AgentReport last = reports.find("id").orElseThrow();
        assertThat(last.hostsOfTwo(now)).containsExactly("b", "a");
        assertThat(AgentReport.ofShared("id", last.shared())).contains(last);
        assertThat(reports.takeShared("id", "nonsense")).isFalse();
        assertThat(reports.takeShared("a/b", last.shared())).isFalse();
        now = now.plus(Duration.ofDays(2));
        assertThat(reports.takeShared("id", last.shared())).isFalse();
    }

    @Test
    void unsharedReports_thatCouldNotBeWritten_areKept_unlessThereIsANewerOne() {
        assertThat(reports.takeUnshared()).isEmpty();
        report("a", "{}");
        report("b", "{}");
        var taken = reports.takeUnshared();
        now = now.plusSeconds(1);
        report("b", "{\"n\":2}");
        reports.putBack(taken);
        var again = reports.takeUnshared();
        assertThat(again).containsOnlyKeys("a", "b");
        assertThat(again.get("b").json()).contains("2");
    }
}
