// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.assertDecided;
import static dev.flk.backend.ingest.Outcomes.assertUnavailable;
import static dev.flk.backend.ingest.Outcomes.body;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.sample.Pcs;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** Tests of the path of a submission and of the promise to decide each id once, on a real log. */
final class IngestPipelineTest {
    @TempDir
    private Path directory;

    private final Clock clock = new Clock();

    private IngestHarness open() throws IOException {
        return new IngestHarness(log(), clock);
    }

    private Path log() {
        return directory.resolve("log");
    }

    @Test
    void newSubmission_isDecidedLoggedAndRecorded() throws IOException {
        try (IngestHarness harness = open()) {
            Outcome outcome = harness.submit(Pcs.number(1));
            assertDecided(outcome, 200, Relation.FIRST);
            assertThat(harness.lookUp(Pcs.number(1)))
                    .hasValueSatisfying(found -> assertThat(found).isInstanceOf(Decided.class));
            assertThat(harness.metric("flk_ingest_total")).isEqualTo(1);
            assertThat(harness.metric("flk_accepted")).isEqualTo(1);
            await().until(() -> harness.ingest.pending() == 0);
            for (String gauge :
                    List.of("answered_unrecorded", "ids_in_flight", "wal_queue_bytes", "wal_queue_appends")) {
                assertThat(harness.metric("flk_" + gauge)).as(gauge).isZero();
            }
            // a check of the store may still be queued
            await().until(() -> harness.metric("flk_recorder_queue_groups") == 0);
        }
        assertThat(IngestHarness.logged(log()))
                .extracting(LogRecord::kind, record -> new String(record.body(), StandardCharsets.UTF_8))
                .containsExactly(tuple('s', Pcs.number(1).json()));
    }

    @Test
    void wallClockSetBack_resendIsAnsweredAsBefore() throws IOException {
        Pcs sentNow = Pcs.number(1).with("sent_at", "\"" + clock.wall() + "\"");
        try (IngestHarness harness = open()) {
            Outcome first = harness.submit(sentNow);
            clock.setByMillis = -Duration.ofHours(3).toMillis();

            Outcome again = harness.submit(sentNow);

            assertDecided(again, 200, Relation.DUPLICATE);
            assertThat(body(again)).isEqualTo(body(first));
        }
    }

    /** Simulates an agent that adopts the time in the backend's {@code Date} header. */
    @Test
    void wallClockSetAhead_senderFollows_isDecided() throws IOException {
        try (IngestHarness harness = open()) {
            clock.setByMillis = Duration.ofHours(3).toMillis();

            assertDecided(
                    harness.submit(Pcs.number(1).with("sent_at", "\"" + clock.wall() + "\"")), 200, Relation.FIRST);
        }
    }

    /** Older agents hold a certificate after this 503, where a second 401 would make it a dead letter. */
    @Test
    void badSignature_newerKeysElsewhere_is503AndChargedAndReportedLikeA401() throws IOException {
        Limits.Sizes oneFailure = new Limits.Sizes(BigDecimal.ONE, 1_000, null, BigDecimal.ONE, 1, 1);
        try (IngestHarness harness = new IngestHarness(log(), clock, oneFailure)) {
            harness.newerKeysElsewhere.set(true);
            Pcs forged = Pcs.number(1).signedBy("another key");

            assertThat(harness.submit(forged)).isEqualTo(Refused.KEYS_OUTDATED);
            assertThat(harness.submit(forged)).isInstanceOf(Outcome.RateLimited.class);

            assertThat(harness.metric("flk_signature_deferred_total")).isEqualTo(1);
            assertThat(harness.metric("flk_signature_errors")).isEqualTo(1);
            assertThat(harness.metric("flk_signature_refused_total{reason=\"unknown key\",}"))
                    .isEqualTo(1);
            assertThat(harness.metric("flk_rejected_total{reason=\"signature\",}"))
                    .isZero();
        }
    }

    @Test
    void signature_newerKeysElsewhere_knownKeysAreAccepted_andOthersGet401Afterwards() throws IOException {
        try (IngestHarness harness = open()) {
            harness.newerKeysElsewhere.set(true);
            assertDecided(harness.submit(Pcs.number(1)), 200, Relation.FIRST);
            Pcs forged = Pcs.number(2).signedBy("another key");
            assertThat(harness.submit(forged)).isEqualTo(Refused.KEYS_OUTDATED);

            harness.newerKeysElsewhere.set(false);

            assertThat(harness.submit(forged)).isEqualTo(Refused.BAD_SIGNATURE);
        }
    }

    @Test
    void conflict_firstOutcomeRemainsAndEvidenceIsKeptOnce() throws IOException {
        try (IngestHarness harness = open()) {
            Outcome first = harness.submit(Pcs.number(1));
            for (int i = 0; i < 3; i++) {
                Outcome other = harness.submit(Pcs.number(1).with("budget", "0.9"));
                assertDecided(other, 200, Relation.CONFLICT);
                assertThat(body(other)).isEqualTo(body(first));
            }
            Outcome third = harness.submit(Pcs.number(1).with("seed", "4"));
            assertDecided(third, 200, Relation.CONFLICT);
            assertThat(harness.metric("flk_conflicts_total")).isEqualTo(4);
            assertThat(harness.metric("flk_evidence_entries")).isEqualTo(2);
        }
        assertThat(IngestHarness.logged(log())).extracting(LogRecord::kind).containsExactly('s', 'e', 'e');
    }

    /**
     * Checks the limit on look-ups, which need no key and no token. Without the limit, anybody could fill the queue of
     * the store's reads, and the store would count as down.
     */
    @Test
    void lookUps_aboveTheLimit_are503_untilTheStoreAnswers() throws IOException {
        try (IngestHarness harness = open()) {
            var reads = harness.store.holdReads();
            List<Optional<Outcome>> answers = new ArrayList<>();
            for (int i = 0; i < IngestPipeline.MAX_LOOK_UPS + 10; i++) {
                harness.ingest.lookUp(Pcs.number(i).id(), false, answers::add);
            }
            assertThat(reads).hasSize(IngestPipeline.MAX_LOOK_UPS);
            assertThat(answers).hasSize(10).allMatch(answer -> answer.equals(Optional.of(Refused.OVERLOADED)));
            answers.clear();

            reads.forEach(read -> read.complete(List.of(Optional.empty())));

            assertThat(answers).hasSize(IngestPipeline.MAX_LOOK_UPS).allMatch(answer -> answer.isEmpty());
            harness.ingest.lookUp(Pcs.number(1).id(), false, answers::add);
            assertThat(reads).hasSize(IngestPipeline.MAX_LOOK_UPS + 1);
        }
    }

    @Test
    void lookUpOfAnOperator_strangersTakeAllPlaces_isAnswered() throws IOException {
        try (IngestHarness harness = open()) {
            var reads = harness.store.holdReads();
            List<Optional<Outcome>> answers = new ArrayList<>();
            for (int i = 0; i < IngestPipeline.MAX_LOOK_UPS; i++) {
                harness.ingest.lookUp(Pcs.number(i).id(), false, answer -> {});
            }

            for (int i = 0; i < IngestPipeline.MAX_OPERATOR_LOOK_UPS + 1; i++) {
                harness.ingest.lookUp(Pcs.number(i).id(), true, answers::add);
            }
            assertThat(answers).containsExactly(Optional.of(Refused.OVERLOADED));
            answers.clear();

            reads.forEach(read -> read.complete(List.of(Optional.empty())));
            assertThat(answers).hasSize(IngestPipeline.MAX_OPERATOR_LOOK_UPS).allMatch(answer -> answer.isEmpty());
        }
    }

    @Test
    void answer_neverBeforeTheForce() throws IOException {
        try (IngestHarness harness = open()) {
            harness.files.hold();
            CompletableFuture<Outcome> first = harness.send(Pcs.number(1));
            CompletableFuture<Outcome> duplicate = harness.send(Pcs.number(1).with("attempt", "2"));
            CompletableFuture<Outcome> conflict = harness.send(Pcs.number(1).with("budget", "0.9"));
            harness.files.awaitHeld();
            assertThat(first).isNotDone();
            assertThat(duplicate).isNotDone();
            assertThat(conflict).isNotDone();
            assertThat(harness.lookUp(Pcs.number(1))).contains(new Refused(Refusal.UNDECIDED, 1));
            harness.files.release();
            assertDecided(first.join(), 200, Relation.FIRST);
            assertDecided(duplicate.join(), 200, Relation.DUPLICATE);
            assertDecided(conflict.join(), 200, Relation.CONFLICT);
        }
    }

    @Test
    void diskFull_isReportedAndTemporary() throws IOException {
        try (IngestHarness harness = open()) {
            harness.files.setDiskFull(true);
            assertUnavailable(harness.submit(Pcs.number(1)), Refusal.DISK_FULL);
            harness.files.setDiskFull(false);
            assertDecided(harness.submit(Pcs.number(1)), 200, Relation.FIRST);
        }
    }

    @Test
    void tooManyOpenFiles_isNoFailureOfTheLogAndTemporary() throws IOException {
        try (IngestHarness harness = open()) {
            harness.files.setFilesExhausted(true);
            harness.files.failForces(1); // so that the log needs another segment
            harness.submit(Pcs.number(1));

            assertUnavailable(harness.submit(Pcs.number(2)), Refusal.OVERLOADED);
            assertThat(harness.ingest.problem().orElseThrow()).contains("Too many open files");
            assertThat(harness.metric("flk_files_exhausted_total")).isPositive();
            harness.files.setFilesExhausted(false);
            assertDecided(harness.submit(Pcs.number(2)), 200, Relation.FIRST);
        }
    }

    @Test
    void diskFloor_newSubmissionsAreRefusedUntilThereIsRoom() throws IOException {
        try (IngestHarness harness = open()) {
            harness.submit(Pcs.number(1));
            harness.files.setUsableBytes(IngestHarness.MIN_FREE_BYTES - 1);
            clock.millis += 1_000;
            assertUnavailable(harness.submit(Pcs.number(2)), Refusal.DISK_FULL);
            assertDecided(harness.submit(Pcs.number(1)), 200, Relation.DUPLICATE);
            assertThat(harness.ingest.problem()).hasValue("disk full; free space on the disk of WAL_DIR");
            assertThat(harness.metric("flk_wal_errors")).isEqualTo(1);
            harness.files.setUsableBytes(IngestHarness.MIN_FREE_BYTES);
            assertUnavailable(harness.submit(Pcs.number(2)), Refusal.DISK_FULL);
            clock.millis += 1_000;
            assertDecided(harness.submit(Pcs.number(2)), 200, Relation.FIRST);
            assertThat(harness.ingest.problem()).isEmpty();
        }
        assertThat(IngestHarness.logged(log())).hasSize(2);
    }

    @Test
    void readFails_isNotAMiss_laterRecordIsOverruled() throws IOException {
        try (IngestHarness harness = open()) {
            Outcome first = harness.submit(Pcs.number(1));
            await().until(() -> harness.ingest.pending() == 0);
            harness.store.failReads();
            clock.millis += 1000;
            assertUnavailable(harness.submit(Pcs.number(1)), Refusal.STORE_DOWN);
            harness.store.up();
            await().until(() -> harness.ingest.pending() == 0);
            assertThat(harness.metric("flk_overruled_total")).isEqualTo(1);
            assertThat(harness.metric("flk_evidence_entries")).isZero(); // the content is the same
            Outcome again = harness.submit(Pcs.number(1));
            assertDecided(again, 200, Relation.DUPLICATE);
            assertThat(body(again)).isEqualTo(body(first));
        }
        List<LogRecord> records = IngestHarness.logged(log());
        assertThat(records).extracting(LogRecord::kind).containsExactly('s', 's', 'o');
        Overruled lost = Overruled.decode(records.get(2).body());
        assertThat(lost.sequence()).isEqualTo(2);
        assertThat(lost.existing().expiresAtMillis())
                .isEqualTo(records.get(0).arrivalMillis() + IngestHarness.TTL.toMillis());
    }

    @Test
    void conflicts_moreThanMayBeUnderWay_areRefusedAtOnce() throws IOException {
        try (IngestHarness harness = open()) {
            harness.submit(Pcs.number(1));
            Queue<CompletableFuture<Boolean>> held = harness.store.holdEvidence();

            List<CompletableFuture<Outcome>> sent = IntStream.range(0, 300)
                    .mapToObj(i -> harness.send(Pcs.number(1).with("budget", "0." + (500 + i))))
                    .toList();

            await().until(() -> held.size() == 256);
            await().until(() -> sent.stream().filter(CompletableFuture::isDone).count() == 44);
            assertThat(sent)
                    .filteredOn(CompletableFuture::isDone)
                    .allSatisfy(each -> assertThat(each.join()).isEqualTo(Outcome.Refused.OVERLOADED));
            held.forEach(each -> each.complete(true));
            assertThat(sent).allSatisfy(each -> assertThat(each.join()).isNotNull());
        }
    }

    /** Checks that a long body costs more than a short one: a megabyte takes as long to parse as many short bodies. */
    @Test
    void refusedBody_isChargedToItsAddressByLength() throws Exception {
        Limits.Sizes sizes = new Limits.Sizes(BigDecimal.TEN, 1_000, null, BigDecimal.ONE, 10, 10);
        try (IngestHarness harness = new IngestHarness(directory.resolve("short"), clock, sizes)) {
            for (int i = 0; i < 10; i++) {
                assertThat(harness.submit(new byte[1_000])).isInstanceOf(Outcome.Refused.class);
            }
            assertThat(harness.submit(new byte[1_000])).isInstanceOf(Outcome.RateLimited.class);
        }
        try (IngestHarness harness = new IngestHarness(directory.resolve("long"), clock, sizes)) {
            assertThat(harness.submit(new byte[1 << 20])).isInstanceOf(Outcome.Refused.class);
            assertThat(harness.submit(new byte[1])).isInstanceOf(Outcome.RateLimited.class);
        }
    }

    /** Checks that a submission is pending until its log line is written, and no longer pending when it is answered. */
    @Test
    void pending_countsUnfinished() throws IOException {
        try (IngestHarness harness = open()) {
            List<Long> pendingBeforeItEnds = new CopyOnWriteArrayList<>();
            AppenderBase<ILoggingEvent> atTheLine = new AppenderBase<>() {
                @Override
                protected void append(ILoggingEvent line) {
                    pendingBeforeItEnds.add(harness.ingest.pending());
                }
            };
            Logger logger = (Logger) LoggerFactory.getLogger("dev.flk.backend.ingest");
            logger.setLevel(Level.INFO);
            atTheLine.start();
            logger.addAppender(atTheLine);
            try {
                harness.submit(Pcs.number(1));
                await().until(() -> harness.ingest.pending() == 0);
            } finally {
                logger.detachAppender(atTheLine);
                logger.setLevel(null);
            }

            assertThat(pendingBeforeItEnds).containsExactly(1L);
        }
    }
}
