// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of {@code GET /metrics}: the required login, and the names that dashboards rely on. */
final class ContractMetricsIT {
    /**
     * The counters whose samples must have exactly these names in both formats, although most of them lack the suffix
     * {@code _total}.
     */
    private static final List<String> BARE = List.of(
            "flk_ingest_total",
            "flk_accepted",
            "flk_escalated",
            "flk_dedup_hits",
            "flk_signature_errors",
            "flk_wal_errors");

    private static final List<String> COUNTERS = List.of("flk_rate_limited_total", "flk_conflicts_total");

    private static final List<String> GAUGES = List.of(
            "flk_inbox_pending",
            "flk_inbox_oldest_pending_seconds",
            "flk_dedup_up",
            "flk_wal_bytes",
            "flk_wal_free_bytes");

    private static final List<String> HISTOGRAMS = List.of("flk_wal_fsync_seconds", "flk_submit_seconds");

    private static final String PASSWORD = "s3cret: 7";

    @RegisterExtension
    static final RunningBackend backend =
            RunningBackend.with(Map.of("METRICS_USER", "prometheus", "METRICS_PASS", PASSWORD));

    /** The content of one scrape: types by family name, and values by sample name with labels. */
    private record Scrape(Map<String, String> types, Map<String, String> samples) {}

    @Test
    void metrics_withoutLogin_are401WithoutDetails() throws Exception {
        Answer answer = backend.client().get("/metrics");
        assertThat(answer.status()).isEqualTo(401);
        assertThat(answer.header("WWW-Authenticate")).startsWith("Basic ");
        assertThat(answer.error()).isEqualTo("login needed");
    }

    @ParameterizedTest
    @CsvSource({
        "*/*, text/plain; version=0.0.4, untyped, _total",
        "application/openmetrics-text; version=1.0.0, application/openmetrics-text; version=1.0.0, unknown, ''"
    })
    void metrics_inEachFormat_alwaysHaveAllNames(String accept, String type, String bareType, String suffix)
            throws Exception {
        Answer answer = scrape(PASSWORD, accept);
        assertThat(answer.header("Content-Type")).startsWith(type);
        assertThat(answer.body().endsWith("\n# EOF\n")).isEqualTo(suffix.isEmpty());
        Scrape scrape = parsed(answer.body().replace("\n# EOF\n", "\n"));
        assertNames(scrape, bareType);
        // in OpenMetrics, the family name of a counter lacks the suffix _total
        for (String name : List.of("flk_rate_limited", "flk_conflicts", "flk_rejected")) {
            assertThat(scrape.types()).containsEntry(name + suffix, "counter");
        }
    }

    private static void assertNames(Scrape scrape, String bareType) {
        assertThat(scrape.samples()).containsKeys(BARE.toArray(String[]::new));
        assertThat(BARE).allSatisfy(name -> assertThat(scrape.types()).containsEntry(name, bareType));
        assertThat(scrape.samples()).containsKeys(COUNTERS.toArray(String[]::new));
        assertThat(scrape.samples()).containsKeys(GAUGES.toArray(String[]::new));
        assertThat(GAUGES).allSatisfy(name -> assertThat(scrape.types()).containsEntry(name, "gauge"));
        assertThat(HISTOGRAMS).allSatisfy(name -> {
            assertThat(scrape.types()).containsEntry(name, "histogram");
            assertThat(scrape.samples()).containsKeys(name + "_count", name + "_sum");
            assertThat(scrape.samples()).containsKey(name + "_bucket{le=\"+Inf\"}");
        });
        assertThat(scrape.samples().keySet())
                .anyMatch(name -> name.matches("flk_rejected_total\\{reason=\"malformed\",?}"))
                .anyMatch(name -> name.startsWith("flk_build_info{") && name.contains("version="))
                .anyMatch(name -> name.startsWith("jvm_memory_"))
                .anyMatch(name -> name.startsWith("process_cpu_seconds"));
    }

    @Test
    void metrics_afterSubmissions_haveCountedThem() throws Exception {
        Map<String, String> before = parsed(scrape(PASSWORD, "*/*").body()).samples();
        Pcs accepted = Pcs.number(1);
        Client client = backend.client();
        client.submit(accepted);
        client.submit(accepted);
        client.submit(accepted.with("r", "0.1"));
        client.submit(Pcs.number(2).with("budget", "0.9"));
        client.submit(Pcs.number(3).with("r", "9"));
        client.submit(Pcs.number(4).without("sig"));
        client.batch("{}\n{\n" + Pcs.number(5).json());
        Map<String, String> after = parsed(scrape(PASSWORD, "*/*").body()).samples();
        Map<String, Double> counted = new HashMap<>();
        BARE.forEach(name -> counted.put(name, difference(name, before, after)));
        assertThat(counted)
                .isEqualTo(Map.of(
                        "flk_ingest_total", 9.0,
                        "flk_accepted", 2.0,
                        "flk_escalated", 2.0,
                        "flk_dedup_hits", 2.0,
                        "flk_signature_errors", 1.0,
                        "flk_wal_errors", 0.0));
        assertThat(difference("flk_conflicts_total", before, after)).isEqualTo(1);
        assertThat(difference("flk_submit_seconds_count", before, after)).isEqualTo(9);
        assertThat(difference("flk_rejected_total{reason=\"malformed\"}", before, after))
                .isEqualTo(2);
        assertThat(difference("flk_rejected_total{reason=\"verification\"}", before, after))
                .isEqualTo(1);
        assertThat(after).containsEntry("flk_dedup_up", "1.0");
        Client.awaitUntil(() -> parsed(scrape(PASSWORD, "*/*").body())
                .samples()
                .get("flk_inbox_pending")
                .equals("0.0"));
    }

    @Test
    void policyInfo_hasTheHashOfOutcomes() throws Exception {
        String policy = StrictJson.read(backend.client().submit(Pcs.number(6)).body())
                .path("policy")
                .asText();
        assertThat(policy).hasSize(12);
        assertThat(parsed(scrape(PASSWORD, "*/*").body()).samples())
                .containsEntry("flk_policy_info{policy=\"" + policy + "\"}", "1.0");
    }

    private static double difference(String sample, Map<String, String> before, Map<String, String> after) {
        return Double.parseDouble(after.get(sample)) - Double.parseDouble(before.get(sample));
    }

    private static Answer scrape(String password, String accept) throws Exception {
        Client client = backend.client().withLogin("prometheus", password);
        return client.send(client.request("/metrics").header("Accept", accept).GET());
    }

    /** Parses a scrape. Fails if a family or a sample occurs twice. */
    private static Scrape parsed(String text) {
        Scrape scrape = new Scrape(new HashMap<>(), new HashMap<>());
        for (String line : text.lines().toList()) {
            String[] words = line.split(" ", -1);
            if (line.startsWith("# TYPE ")) {
                assertThat(scrape.types().put(words[2], words[3])).as(line).isNull();
            } else if (!line.startsWith("#")) {
                int value = line.lastIndexOf(' ');
                String sample = line.substring(0, value).replace(",}", "}");
                assertThat(scrape.samples().put(sample, line.substring(value + 1)))
                        .as(line)
                        .isNull();
            }
        }
        return scrape;
    }
}
