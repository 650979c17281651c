// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.e2e.OrdealCertificates.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;

/**
 * What must hold when the ordeal is over. What the agent took in is read from the outbox's own log, entry by entry, since a producer
 * that got no answer may have put a certificate in twice or not at all.
 */
final class OrdealAudit {
    private static final JsonMapper JSON = new JsonMapper();

    private final OrdealAgent agent;
    private final InboxLog inbox;
    private final OrdealCertificates certificates;
    private final Map<String, Long> numbers;
    /** Numbers of the certificates by the sequences of their entries in the outbox. */
    private final Map<Long, Long> taken = new TreeMap<>();

    OrdealAudit(OrdealAgent agent, InboxLog inbox, OrdealCertificates certificates) throws IOException {
        this.agent = agent;
        this.inbox = inbox;
        this.certificates = certificates;
        this.numbers = certificates.numbersById();
        for (LogFiles.Found record : agent.outbox().records()) {
            if (record.kind() == 'c') {
                Long before = taken.put(record.sequence(), number(record.body()));
                assertThat(before)
                        .as("two entries with sequence %s", record.sequence())
                        .isNull();
            }
        }
    }

    private long number(String certificate) throws IOException {
        return numbers.get(JSON.readTree(certificate).path("pcs_id").asText());
    }

    /** Entries of the outbox, and different certificates among them. */
    String takenIn() {
        return taken.size() + " entries of " + new HashSet<>(taken.values()).size() + " certificates";
    }

    void everythingAcknowledgedWasTaken(Set<Long> acknowledged) {
        List<Long> lost = new ArrayList<>(acknowledged);
        lost.removeAll(new HashSet<>(taken.values()));
        assertThat(lost).as("acknowledged, and not in the outbox").isEmpty();
    }

    /** In the backend's log every good one stands once, each conflict once as evidence, and nothing else. */
    void logHasEachOnce() throws IOException {
        Map<Character, List<Long>> found = new HashMap<>();
        for (InboxLog.Entry entry : inbox.entries()) {
            found.computeIfAbsent(entry.kind(), any -> new ArrayList<>()).add(number(entry.body()));
        }
        Set<Long> submitted = new HashSet<>(certificates.ofKind(Kind.CONFLICT));
        submitted.addAll(takenIf(kind -> !kind.isHopeless()));
        assertEachOnce("submissions", found.remove('s'), submitted);
        assertEachOnce("evidence", found.remove('e'), takenIf(kind -> kind == Kind.CONFLICT));
        assertThat(found).as("records of other kinds").isEmpty();
    }

    /** The dead letters are exactly the entries that were hopeless. */
    void deadLettersAreTheHopeless() throws IOException {
        List<Long> dead = new ArrayList<>();
        for (String line : Files.readAllLines(agent.deadLetters())) {
            JsonNode letter = JSON.readTree(line);
            long sequence = letter.path("outbox_seq").asLong();
            dead.add(sequence);
            Kind kind =
                    OrdealCertificates.kind(number(letter.path("certificate").toString()));
            assertThat(letter.path("reason").asText())
                    .as(line)
                    .startsWith(kind == Kind.CONFLICT ? "conflict: " : "schema ");
        }
        Set<Long> hopeless = new HashSet<>(taken.keySet());
        hopeless.removeIf(
                sequence -> !OrdealCertificates.kind(taken.get(sequence)).isHopeless());
        assertEachOnce("dead letters", dead, hopeless);
    }

    /** The backend tells the outcome of every good one. */
    void everyGoodOneHasItsOutcome(Client client) throws IOException, InterruptedException {
        for (long number : takenIf(kind -> !kind.isHopeless())) {
            String escalated = OrdealCertificates.kind(number) == Kind.ESCALATED ? "true" : "false";
            assertThat(client.get("/v1/pcs/" + OrdealCertificates.of(number).id())
                            .body())
                    .contains("\"accepted\":true,\"escalated\":" + escalated);
        }
    }

    private Set<Long> takenIf(Predicate<Kind> wanted) {
        Set<Long> found = new HashSet<>(taken.values());
        found.removeIf(number -> !wanted.test(OrdealCertificates.kind(number)));
        return found;
    }

    /** Says which differ, where a comparison of twenty thousand would not help anybody. */
    private static void assertEachOnce(String what, Collection<Long> found, Set<Long> expected) {
        Set<Long> missing = new HashSet<>(expected);
        missing.removeAll(new HashSet<>(found));
        assertThat(missing).as("%s: missing", what).isEmpty();
        Set<Long> seen = new HashSet<>();
        List<Long> twice = found.stream().filter(one -> !seen.add(one)).toList();
        assertThat(twice).as("%s: more than once", what).isEmpty();
        seen.removeAll(expected);
        assertThat(seen).as("%s: not expected", what).isEmpty();
    }
}
