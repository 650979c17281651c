// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.agents.AgentReports.Result.Accepted;
import dev.flk.backend.logs.LogEntry;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.logs.SeenLogs;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.serve.guard.OperatorConfig;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.backend.serve.guard.Readiness.Component;
import dev.flk.program.config.Secret;
import dev.flk.program.logging.Audit;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the page for operators, on a real server. */
final class PageHandlerTest {
    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    private void report(String agent, String json) {
        assertThat(server.agents.accept(agent, json, server.now)).isInstanceOf(Accepted.class);
    }

    private HttpResponse<String> get(String target) throws IOException, InterruptedException {
        return server.send("GET", target, "");
    }

    @Test
    void now_everythingWorks_saysSoAndLoadsNothingFromOtherHosts() throws Exception {
        HttpResponse<String> answer = get("/ui");

        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.body())
                .contains("Not looked yet: this backend began at ")
                .contains("<script src=\"/ui/htmx.js\" defer>", "<script src=\"/ui/page.js\" defer>")
                .doesNotContain("style=", "http://", "https://", "onclick");
        assertThat(answer.headers().firstValue("Content-Security-Policy").orElseThrow())
                .startsWith("default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';");
        assertThat(get("/ui/page.js").body()).contains("EventSource");
        assertThat(get("/ui/htmx.js").body()).contains("htmx");
        assertThat(get("/ui/page.css").body()).contains("prefers-color-scheme: dark");
        HttpResponse<String> root = get("/");
        assertThat(root.statusCode()).isEqualTo(302);
        assertThat(root.headers().firstValue("Location")).contains("/ui");
    }

    @Test
    void everyView_namesItsBackend() throws Exception {
        for (String view : List.of("", "/agents", "/shards", "/review", "/search?q=x", "/agents?sort=x")) {
            assertThat(get("/ui" + view).body())
                    .as(view)
                    .contains(" – backend-1</title>", "<span class=\"backend\">backend-1</span>");
        }
    }

    @Test
    void now_componentIsNotReady_saysWhatToDo() throws Exception {
        server.components = List.of(
                new Component("log", true, "up"),
                new Component("dedup", false, "can't connect to <redis>"),
                new Component("state", false, "starting", false));

        assertThat(get("/ui").body())
                .contains("The deduplication store is not ready: can't connect to &lt;redis", "Run flk backend health")
                .contains("The state is not ready: starting.")
                .contains("<title>(2) Now – backend-1</title>", "<a href=\"/readyz\">", "Since <time")
                .doesNotContain("The log");
    }

    @Test
    void now_missingLog_standsOut_andSaysWhatToDo() throws Exception {
        SeenLogs logs = new SeenLogs(ServerFixture.NOW.minus(Duration.ofMinutes(12)), Audit.none());
        try (Logs registered = logs.registered()) {
            server.logs = registered;
            logs.report(logs.entry(2, "lost", Duration.ZERO));
            logs.pass(Duration.ofMinutes(12));
            String page = get("/ui").body();
            assertThat(page)
                    .contains("The log lost is missing: no backend has reported it for 12 min.")
                    .contains("flk backend logs forget lost. Follow the runbook LogMissing.")
                    .containsSubsequence("Logs of this store", ">lost<", "\"bad\">missing<", ">own<", "up")
                    .doesNotContain("different policies", "can&#39;t be read");

            logs.fail();

            assertThat(get("/ui").body())
                    .contains("The registry of logs can't be read now", "the store does not answer");
        }
    }

    @Test
    void now_policiesDiffer_isAProblem() throws Exception {
        SeenLogs logs = new SeenLogs(ServerFixture.NOW, Audit.none());
        try (Logs registered = logs.registered()) {
            server.logs = registered;
            logs.report(LogEntry.parse(logs.entry(2, "b", Duration.ZERO).text().replace("0123456789", "9876543210"))
                    .orElseThrow());
            assertThat(get("/ui").body())
                    .contains("Backends of this store decide by different policies.", ">9876543210ab<")
                    .doesNotContain("different keys");
        }
    }

    @Test
    void now_backends_areThoseOfTheStore_quietOnesStandOut_andWhatIsNotKnownIsADash() throws Exception {
        SeenLogs logs = new SeenLogs(ServerFixture.NOW, Audit.none());
        try (Logs registered = logs.registered();
                MemoryRecord memory = new MemoryRecord()) {
            server.logs = registered;
            server.record = memory.outcomes();
            assertThat(get("/ui").body()).doesNotContain("Backends of this store");
            logs.report(logs.entry(2, "quiet", Duration.ofMinutes(5)));
            String old = logs.entry(3, "<old>", Duration.ZERO).text().replaceFirst(",\"figures\":\\{.*?}", "");
            logs.report(LogEntry.parse(old.replace("\"version\":\"1.0\"", "\"version\":\"0.9\""))
                    .orElseThrow());

            String page = get("/ui").body();

            String table = page.substring(page.indexOf("Backends of this store"), page.indexOf("Logs of this store"));
            assertThat(table)
                    .containsSubsequence(">quiet</a>", "problems\" class=\"bad\">no report for 5 min<")
                    .containsSubsequence(">&lt;old&gt;</th>", "problems\">–<", "record\">–<", "\"bad\">0.9 (differs)<")
                    .containsSubsequence(
                            "own (this one)",
                            "problems\" class=\"bad\">1<",
                            "decision\">2<",
                            "3 s<",
                            "version\">1.0<",
                            "policy\">0123456789ab<");
            for (String view : List.of("/outcomes", "/outcomes?shard=x")) {
                assertThat(get("/ui" + view).body())
                        .as(view)
                        .contains("The certificates of both backends of this store. <a href=\"/ui#backends\">");
            }
            logs.fail();
            assertThat(get("/ui").body()).contains("before the registry could no longer be read");
        }
    }

    @Test
    void agents_silentFirst_thenByTheOrder() throws Exception {
        server.now = ServerFixture.NOW.minus(ServerFixture.SILENT_AFTER);
        report("a-old", "{\"pending\":1}");
        server.now = ServerFixture.NOW.minusSeconds(180);
        report("d-late", "{\"pending\":9}");
        server.now = ServerFixture.NOW;
        report("b-few", "{\"pending\":3,\"oldest_pending_seconds\":200,\"version\":\"1.2\",\"host\":\"h\"}");
        report(
                "c-many",
                "{\"pending\":700,\"breaker_open\":true,\"sources\":[{\"name\":\"hall\",\"bad_lines\":1067,"
                        + "\"problem\":\"a.csv: permission denied\"}]}");

        String page = get("/ui/agents?order=backlog").body();

        assertThat(page.substring(page.indexOf("<tbody>")))
                .containsSubsequence("a-old", "silent", "1, 5 min ago", "c-many", "can't deliver")
                .containsSubsequence("can't deliver", "d-late", "last known", "9, 3 min ago", "b-few", "3 min");
        assertThat(page).contains("hall: 1067 lines left out; a.csv: permission denied");
        assertThat(get("/ui").body()).contains("An agent does not read all of its sources.");
        assertThat(get("/ui/agents?prefix=b").body()).contains("b-few").doesNotContain("c-many");
    }

    @Test
    void agents_onlySilent() throws Exception {
        assertThat(get("/ui/agents?silent=on").body()).contains("No agent is silent.");
        server.now = ServerFixture.NOW.minus(ServerFixture.SILENT_AFTER).minusSeconds(1);
        report("a-old", "{}");
        server.now = ServerFixture.NOW;
        report("b-new", "{}");

        assertThat(get("/ui/agents?silent=on").body())
                .contains(">a-old<", "checked")
                .doesNotContain("b-new");
    }

    @Test
    void outcomes_areThoseOfAVerdictAndARangeOfTime_inPages() throws Exception {
        try (MemoryRecord memory = new MemoryRecord()) {
            server.record = memory.outcomes();
            Instant from = ServerFixture.NOW.minusSeconds(1_000);
            for (int i = 0; i < 25; i++) {
                memory.add("pump <" + i + ">", i, "rejected", "degraded: <b>", from.plusSeconds(i));
            }
            memory.add("early", 1, "rejected", "degraded: x", from.minusMillis(1));
            memory.add("late", 1, "rejected", "degraded: x", from.plusSeconds(25));
            memory.add("other", 1, "accepted", "", from);

            String range = "/ui/outcomes?verdict=rejected&from=" + from + "&to=" + from.plusSeconds(25);
            String first = get(range).body();
            Matcher next = Pattern.compile("<a href=\"(/ui/outcomes[^\"]*)\">Older certificates")
                    .matcher(first);
            assertThat(next.find()).isTrue();
            String last = get(next.group(1).replace("&amp;", "&")).body();

            assertThat(first)
                    .contains("20 rejected certificates that arrived from ", "pump &lt;24&gt;", "pump &lt;5&gt;");
            assertThat(last)
                    .contains("5 rejected certificates", "pump &lt;4&gt;", "pump &lt;0&gt;")
                    .doesNotContain("Older certificates");
            assertThat(first + last).doesNotContain(">early<", ">late<", ">other<", "<b>");
            assertThat(get("/ui/outcomes?verdict=accepted").body())
                    .contains(">other<")
                    .doesNotContain(">early<");
            assertThat(get("/ui/outcomes?cursor=x").statusCode()).isEqualTo(400);

            Matcher newer = Pattern.compile("<a href=\"(/ui/outcomes[^\"]*)\">Newer certificates")
                    .matcher(last);
            assertThat(newer.find()).isTrue();
            assertThat(rows(get(newer.group(1).replace("&amp;", "&")).body())).isEqualTo(rows(first));
        }
    }

    /** Returns the rows of a table. */
    private static List<String> rows(String page) {
        return Pattern.compile("<tr>\\s<th scope=\"row\".*?</tr>", Pattern.DOTALL)
                .matcher(page)
                .results()
                .map(MatchResult::group)
                .toList();
    }

    @ParameterizedTest
    @CsvSource({
        "verdict=x, verdict is not one of accepted",
        "regime=x, regime is not one of mixed",
        "clock=x, clock is not one of measured",
        "to=2026-99-01T00:00:00Z, to is not a time",
        "from=2026-01-02T00:00&to=2026-01-01T00:00:00Z, the range of time ends before it begins",
        "id=abc, id is not 8 to 64",
        "agent=a/b, agent is not the id of an agent"
    })
    void outcomes_invalidCondition_showsTheFormAndWhatIsWrong(String query, String problem) throws Exception {
        try (MemoryRecord memory = new MemoryRecord()) {
            server.record = memory.outcomes();

            HttpResponse<String> answer = get("/ui/outcomes?shard=%3Cb%3E&" + query);

            assertThat(answer.statusCode()).isEqualTo(400);
            assertThat(answer.body())
                    .contains("Nothing is shown: " + problem, "name=\"shard\" value=\"&lt;b>\"")
                    .doesNotContain("<b>", "<table");
            assertThat(get("/ui/outcomes.csv?" + query).statusCode()).isEqualTo(400);
        }
    }

    @Test
    void outcomes_emptyFields_redirectToTheAddressWithoutThem() throws Exception {
        HttpResponse<String> answer = get("/ui/outcomes?clock=received&from=&verdict=rejected&shard=a%26b&id=");

        assertThat(answer.statusCode()).isEqualTo(302);
        assertThat(answer.headers().firstValue("Location")).contains("/ui/outcomes?verdict=rejected&shard=a%26b");
    }

    @Test
    void outcomes_ofAnAgent_areThoseOfTheShardsThatItReported() throws Exception {
        report("pump-7", "{\"shards\":[\"b\",\"a <i>\",7,\"\"]}");
        report("idle", "{}");
        try (MemoryRecord memory = new MemoryRecord()) {
            server.record = memory.outcomes();
            for (String shard : List.of("a <i>", "b", "c")) {
                memory.add(shard, 1, "rejected", "regime mismatch: x", ServerFixture.NOW);
            }

            String page = get("/ui/outcomes?agent=pump-7").body();

            assertThat(rows(page)).hasSize(2);
            assertThat(page)
                    .contains(
                            "2 certificates (agent pump-7)",
                            "The agent pump-7 has reported the shard: a &lt;i&gt;, b.");
            assertThat(rows(get("/ui/outcomes?agent=pump-7&shard=b").body())).hasSize(1);
            assertThat(rows(get("/ui/outcomes?agent=pump-7&shard=c").body())).isEmpty();
            assertThat(get("/ui/outcomes?agent=idle").body())
                    .contains("names no shards")
                    .doesNotContain("<table");
            assertThat(get("/ui/outcomes?agent=x").body()).contains("This agent has not reported in the last day");
            assertThat(get("/ui/outcomes.ndjson?agent=x").body()).isEmpty();
        }
    }

    @Test
    void outcomes_files_haveWhatTheListShows() throws Exception {
        try (MemoryRecord memory = new MemoryRecord()) {
            server.record = memory.outcomes();
            for (int i = 0; i < 700; i++) {
                Map<String, Object> measured = Map.of(
                        "window_end", ServerFixture.NOW.minusSeconds(2L * i).toString());
                memory.add(
                        "=cmd|<>", i, i % 2 == 0 ? "rejected" : "accepted", "degraded: x", ServerFixture.NOW, measured);
            }
            String query = "?verdict=rejected&clock=measured&from=" + ServerFixture.NOW.minusSeconds(1_000);

            HttpResponse<String> csv = get("/ui/outcomes.csv" + query);
            HttpResponse<String> lines = get("/ui/outcomes.ndjson" + query);

            assertThat(get("/ui/outcomes" + query).body()).contains(">251 rejected certificates");
            assertThat(csv.headers().firstValue("Content-Type")).contains("text/csv; charset=utf-8");
            assertThat(csv.headers().firstValue("Content-Disposition").orElseThrow())
                    .matches("attachment; filename=\"outcomes-[0-9]{8}-[0-9]{6}\\.csv\"");
            assertThat(csv.body().lines().skip(1))
                    .hasSize(251)
                    .allMatch(line -> line.contains(",'=cmd|<>,") && line.contains(",rejected,"));
            assertThat(lines.body().lines()).hasSize(251).allMatch(line -> line.contains("\"verdict\":\"rejected\""));
        }
    }

    @Test
    void outcomes_ofAnId_combineWithOtherConditions() throws Exception {
        try (MemoryRecord memory = new MemoryRecord()) {
            server.record = memory.outcomes();
            memory.add("a", 1, "rejected", "degraded: 1", ServerFixture.NOW, "0123456789" + "a".repeat(54));
            memory.add("b", 1, "accepted", "", ServerFixture.NOW.minusSeconds(1), "0123456789" + "b".repeat(54));

            assertThat(get("/ui/outcomes?id=01234567").body())
                    .contains(
                            ">2 certificates (id 01234567)",
                            ">1 accepted<",
                            ">1 rejected<",
                            "The id begins with 01234567.");
            assertThat(rows(get("/ui/outcomes?id=01234567&verdict=accepted").body()))
                    .singleElement()
                    .asString()
                    .contains("bbb");
            assertThat(get("/ui/outcomes?id=01234567&shard=c").body()).contains("The record has no certificates");
        }
    }

    @Test
    void outcomes_fileOfAnIdOfManyCertificates_isCutAfterItsFirstPart() throws Exception {
        try (MemoryRecord memory = new MemoryRecord()) {
            server.record = memory.outcomes();
            for (int i = 0; i < 251; i++) {
                memory.add("a", i, "accepted", "", ServerFixture.NOW, "01234567" + "%056x".formatted(i));
            }

            assertThat(get("/ui/outcomes.csv?id=01234567").body().lines())
                    .hasSize(252)
                    .doesNotHaveDuplicates()
                    .endsWith("cut: these are the first 250 outcomes and more may follow; enter more digits of the id");
            assertThat(get("/ui/outcomes.ndjson?id=01234567" + "%055x".formatted(0))
                            .body()
                            .lines())
                    .hasSize(16)
                    .noneMatch(line -> line.contains("cut"));
        }
    }

    @Test
    void agentsAndShards_leadToEachOther() throws Exception {
        report("a-one", "{\"shards\":[\"pump-1\",\"<b>\",3,\"c\"]}");
        report("a-two", "{\"shards\":[\"pump-2\"]}");
        report("a-wrong", "{\"shards\":\"pump-1\"}");

        assertThat(get("/ui/agents?shard=pump-1").body())
                .contains(
                        ">a-one<",
                        "<a href=\"/ui/outcomes?shard=pump-1\">pump-1</a>",
                        "?shard=%3Cb%3E\">&lt;b&gt;<",
                        "<summary>and 1 more</summary>")
                .doesNotContain(">a-two<", ">a-wrong<");
        assertThat(get("/ui/agents?shard=pump").body()).contains("No agent names the shard “pump” in its report.");
        try (MemoryRecord memory = new MemoryRecord()) {
            server.record = memory.outcomes();
            memory.add("<b>", 1, "accepted", "", ServerFixture.NOW);

            assertThat(get("/ui/outcomes?shard=%3Cb%3E").body()).contains("/ui/agents?shard=%3Cb%3E\"");
        }
    }

    @ParameterizedTest
    @CsvSource({
        "shard?name=a%26b&clock=measured&from=2026-01-09T10:00:30&to=&verdict=rejected&page=2,"
                + " ?verdict=rejected&clock=measured&from=2026-01-09T10%3A00%3A30Z&shard=a%26b",
        "key?id=k%26l, ?key=k%26l",
        "shard, ''"
    })
    void formerAddresses_redirectToExplore(String former, String query) throws Exception {
        HttpResponse<String> answer = get("/ui/" + former);

        assertThat(answer.statusCode()).isEqualTo(302);
        assertThat(answer.headers().firstValue("Location")).contains("/ui/outcomes" + query);
    }

    @Test
    void views_withoutRecordOrReports_sayWhy() throws Exception {
        for (String view : List.of("outcomes", "shards", "review")) {
            assertThat(get("/ui/" + view).body()).as(view).contains("This backend has no record of outcomes.");
        }
        assertThat(get("/ui/agents").body())
                .contains(
                        "No agent has reported to this backend for a day.",
                        "Agents may be missing: these are the reports since");
        server.areFeaturesOpen = false;
        assertThat(get("/ui/agents").body()).contains("This backend is still starting.");
    }

    @Test
    void wrongQuery_saysWhatIsWrong() throws Exception {
        HttpResponse<String> answer = get("/ui/agents?sort=name");

        assertThat(answer.statusCode()).isEqualTo(400);
        assertThat(answer.body()).contains("unknown parameter, sort", "Correct it, or choose a view above.");
        HttpResponse<String> ofNone = get("/ui/refused?anything=1");
        assertThat(ofNone.statusCode()).isEqualTo(400);
        assertThat(ofNone.body()).contains("unknown parameter, anything; there are none here");
    }

    @Test
    void search_redirectsToWhatTheTextNames_otherText_saysWhatCanBeFound() throws Exception {
        report("pump 7", "{}");
        try (MemoryRecord memory = new MemoryRecord()) {
            server.record = memory.outcomes();
            String id = memory.add("<b>&'", 1, "accepted", "", ServerFixture.NOW);
            Map<String, String> found = Map.of(
                    "pump%207",
                    "/ui/agents?prefix=pump%207",
                    id.substring(0, 8),
                    "/ui/certificate?id=" + id,
                    "%3Cb%3E%26%27",
                    "/ui/outcomes?shard=%3Cb%3E%26%27",
                    "key-1",
                    "/ui/outcomes?key=key-1");
            for (Map.Entry<String, String> each : found.entrySet()) {
                assertThat(get("/ui/search?q=" + each.getKey()).headers().firstValue("Location"))
                        .contains(each.getValue());
            }
            assertThat(get("/ui/shards").body())
                    .contains("<a href=\"/ui/outcomes?shard=%3Cb%3E%26%27\">&lt;b&gt;&amp;'</a>");
        }
        server.record = null;

        HttpResponse<String> nothing = get("/ui/search?q=%3Cb%3E%26%22");
        assertThat(nothing.statusCode()).isEqualTo(404);
        assertThat(nothing.body())
                .contains(
                        "called “&lt;b&gt;&amp;\"”",
                        "/ui/shards?prefix=%3Cb%3E%26%22",
                        "Not everything can be searched now")
                .doesNotContain("<b>");
        assertThat(get("/ui/search?q=" + "%0A".repeat(3)).statusCode()).isEqualTo(404);
        assertThat(get("/ui/certificate?id=x").body()).contains("id is not 8 to 64 lower-case hex digits");
    }

    @Test
    @Timeout(60)
    void events_openPage_isNotified() throws Exception {
        try (Stream<String> lines =
                server.send(BodyHandlers.ofLines(), "GET", "/ui/events", "").body()) {
            assertThat(lines.anyMatch("event: changed"::equals)).isTrue();
        }
    }

    @Test
    void publicAddress_requiresALogin() {
        OperatorConfig anyone = new OperatorConfig(null, Set.of(), true, null);
        OperatorConfig known = new OperatorConfig(new Login("operator", new Secret("secret")), Set.of(), true, null);
        assertThat(guard("127.0.0.1", anyone).isSafe()).isTrue();
        assertThat(guard("::1", anyone).isSafe()).isTrue();
        assertThat(guard("0.0.0.0", anyone).isSafe()).isFalse();
        assertThat(guard("0.0.0.0", known).isSafe()).isTrue();
    }

    private OperatorGuard guard(String bindAddress, OperatorConfig operators) {
        return new OperatorGuard(bindAddress, operators, server.operatorRefusals, 1);
    }
}
