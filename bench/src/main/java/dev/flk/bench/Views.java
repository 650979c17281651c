// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Program.Costs;
import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.message.MessageSigner;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.HdrHistogram.Histogram;

/**
 * The suite that measures each view of the page of a backend with much data: the processor time and the duration of an
 * answer.
 */
record Views(int shards, int outcomes, int agents, int waiting) {
    private static final int ANSWERS = 5;
    private static final int LINES = 500;
    private static final int REQUESTS_AT_ONCE = 100;
    private static final int CONNECTIONS = 16;
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    String description() {
        return "each view of the page, with %,d shards, %,d outcomes, %,d agents and %,d waiting reviews"
                .formatted(shards, outcomes, agents, waiting);
    }

    Results run(Workbench bench) throws IOException, InterruptedException {
        Server backend = bench.backend("views", Map.of("AGENT_SILENT_AFTER", "10s"));
        Certificates certificates = bench.certificates(new Certificates.Variety(shards, outcomes / waiting));
        fill(backend, certificates);
        List<Subject> subjects = new ArrayList<>();
        Map<String, String> views = views(certificates);
        views.forEach((name, path) -> subjects.add(new Subject(name, plan -> measure(backend, path))));
        return bench.measure("views", "", subjects);
    }

    private void fill(Server backend, Certificates certificates) throws IOException, InterruptedException {
        Stock beats = Stock.ofHeartbeats(MessageSigner.of(new HmacSigner(Server.SECRET)), agents);
        beats.fill(agents);
        send(backend, beats);
        Stock batches = Stock.ofBatches(Workbench.BATCH, certificates, LINES);
        for (int sent = 0; sent < outcomes; sent += REQUESTS_AT_ONCE * LINES) {
            batches.fill(Math.min(REQUESTS_AT_ONCE, (outcomes - sent) / LINES));
            send(backend, batches);
        }
        Program.awaitMetric(backend.port(), "flk_record_lag_records", 0);
    }

    private static void send(Server backend, Stock stock) throws IOException {
        try (LoadClient client = new LoadClient(backend.port(), CONNECTIONS, stock, "20")) {
            client.run(Duration.ZERO, Duration.ofMinutes(10), () -> {});
        }
    }

    /** Returns the addresses of the views by name. */
    private Map<String, String> views(Certificates certificates) {
        String hour = "from=" + Instant.now().minus(Duration.ofHours(1));
        Map<String, String> views = new LinkedHashMap<>();
        views.put("now", "");
        views.put("agents", "/agents");
        views.put("agents, silent", "/agents?silent=on");
        views.put("shards", "/shards");
        views.put("shards, escalated", "/shards?verdict=escalated");
        views.put("outcomes", "/outcomes");
        views.put("outcomes, last hour", "/outcomes?" + hour);
        views.put("outcomes, escalated", "/outcomes?verdict=escalated&" + hour);
        views.put("outcomes, reason", "/outcomes?reason=regime%20mismatch");
        views.put("outcomes, shard", "/outcomes?shard=" + Certificates.SHARD);
        views.put("certificate", "/certificate?id=" + certificates.id(outcomes / waiting));
        views.put("review", "/review");
        return views;
    }

    private static Sample measure(Server backend, String path) throws IOException, InterruptedException {
        String url = "http://127.0.0.1:" + backend.port() + "/ui" + path;
        Histogram nanos = new Histogram(3);
        Costs costs = backend.program().costs().started();
        long begun = System.nanoTime();
        for (int i = 0; i < ANSWERS; i++) {
            long asked = System.nanoTime();
            HttpResponse<String> answer =
                    HTTP.send(HttpRequest.newBuilder(URI.create(url)).build(), BodyHandlers.ofString());
            nanos.recordValue(System.nanoTime() - asked);
            if (answer.statusCode() != 200) {
                throw new IOException(path + " was answered " + answer.statusCode() + ": " + answer.body());
            }
        }
        costs.run();
        return costs.sample(ANSWERS, (System.nanoTime() - begun) / 1e9).with(Sample.ofLatencies(nanos));
    }
}
