// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.e2e.Traffic.Sent;
import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongFunction;

/**
 * Certificates that are sent to a backend until it is killed, in one life after another, with the audits that follow:
 * nothing answered is lost or changed, nothing is decided twice, and the record equals the log.
 */
final class KilledUnderTraffic {
    private static final int PER_SECOND = 300;

    private final LongFunction<Pcs> certificate;
    private final List<Sent> sent = new ArrayList<>();

    /** @param certificate returns the certificate of an epoch */
    KilledUnderTraffic(LongFunction<Pcs> certificate) {
        this.certificate = certificate;
    }

    /** A step under traffic. */
    interface Step {
        void run() throws Exception;
    }

    /**
     * Sends certificates until this number is acknowledged, then kills the backend.
     *
     * @param justBefore an action to run under traffic, before the backend is killed
     */
    void kill(BackendProcess backend, int acknowledged, Step justBefore) throws Exception {
        try (Traffic traffic = new Traffic(backend.url(), sent.size() + 1L, PER_SECOND, certificate)) {
            Client.awaitUntil(() -> acknowledged(traffic.answered()).size() >= acknowledged);
            assertThat(traffic.answered())
                    .extracting(Sent::status)
                    .as("answers; 503 if the machine is too busy for the store's time-outs")
                    .isSubsetOf(200, 202, 503);
            justBefore.run();
            backend.program().kill();
            traffic.end();
            sent.addAll(traffic.sent());
        }
    }

    private static List<Sent> acknowledged(List<Sent> all) {
        return all.stream().filter(Sent::isAcknowledged).toList();
    }

    /** Returns the certificates of all lives that were acknowledged. */
    List<Sent> acknowledged() {
        return acknowledged(sent);
    }

    /** Checks that a look-up of each acknowledged certificate returns the bytes of its answer. */
    void assertKept(Client client) throws Exception {
        for (Sent one : acknowledged()) {
            Answer again = client.get("/v1/pcs/" + one.pcs().id());
            assertThat(again.status()).as(one.pcs().json()).isEqualTo(200);
            assertThat(again.body()).isEqualTo(one.body());
        }
    }

    /**
     * Submits all certificates again. Each acknowledged certificate must get the same bytes, marked as a duplicate. No
     * certificate may be a conflict.
     */
    void assertDecidedOnce(Client client) throws Exception {
        Traffic.resubmit(client, sent, (before, again) -> {
            assertThat(again.status()).isIn(200, 202);
            assertThat(again.has("X-Flk-Conflict")).isFalse();
            if (before.isAcknowledged()) {
                assertThat(again.has("X-Flk-Duplicate")).isTrue();
                assertThat(again.status()).isEqualTo(before.status());
                assertThat(again.body()).isEqualTo(before.body());
            }
        });
        assertThat(client.metric("flk_lost_outcomes_total")).isZero();
    }

    /** Checks that each outcome that a replay of the log decides is recorded, and nothing else. */
    static void assertRecordEqualsLog(Client client, Path wal) throws Exception {
        client.awaitNothingPending();
        Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
        assertThat(client.metric("flk_record_missed_total")).isZero();
        Map<String, String> environment = ServedBackend.environment();
        environment.put("WAL_DIR", wal.toString());
        String printed = Command.ofBackend(environment, "wal", "replay", "--outcomes")
                .exits(0)
                .out();
        Map<String, List<String>> replayed = new HashMap<>();
        printed.lines()
                .filter(line -> line.startsWith("{\"seq\""))
                .forEach(line -> add(replayed, line, line.substring(0, line.length() - 2)));
        Map<String, List<String>> recorded = recorded(client);
        assertThat(recorded.keySet()).isEqualTo(replayed.keySet());
        recorded.entrySet().removeAll(replayed.entrySet());
        assertThat(recorded).isEmpty();
    }

    /** Returns the recorded values of each id in the format of an answer, in the order of the record. */
    static Map<String, List<String>> recorded(Client client) throws Exception {
        Map<String, List<String>> recorded = new HashMap<>();
        String cursor = "";
        boolean hasMore = true;
        while (hasMore) {
            Answer part = client.get("/v1/outcomes/changes?limit=1000" + cursor);
            part.body()
                    .lines()
                    .forEach(line -> add(recorded, line, line.replaceFirst(",\"(budget|other_content)\".*", "")));
            cursor = "&cursor=" + part.header("X-Flk-Cursor");
            hasMore = part.headers().firstValue("X-Flk-More").isPresent();
        }
        return recorded;
    }

    private static void add(Map<String, List<String>> outcomes, String line, String cut) {
        String id = StrictJson.read(line).get("pcs_id").textValue();
        String body = cut.substring(cut.indexOf("\"D_hat\""));
        List<String> ofId = outcomes.computeIfAbsent(id, key -> new ArrayList<>());
        if (ofId.isEmpty() || !ofId.get(ofId.size() - 1).equals(body)) {
            ofId.add(body);
        }
    }
}
