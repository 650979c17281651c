// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.assertDecided;
import static dev.flk.backend.ingest.Outcomes.assertUnavailable;
import static dev.flk.backend.ingest.Outcomes.body;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** Tests of the path of a submission, step by step. */
final class IngestPipelineTest {
    private static final Duration SKEW = Duration.ofMinutes(5);

    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private Simulation simulation = new Simulation(world, store);

    @AfterEach
    void everySubmissionIsAccountedFor() {
        simulation.assertAccountedFor();
    }

    @Test
    void newSubmission_isDecidedLoggedAndRecorded() throws IOException {
        simulation.start();
        AtomicReference<Outcome> outcome = simulation.submit(Pcs.number(1)).get(0);
        assertThat(simulation.lookedUp(Pcs.number(1))).contains(new Refused(Refusal.UNDECIDED, 1));
        simulation.settle();

        assertDecided(outcome.get(), 200, Relation.FIRST);
        assertDecided(simulation.lookedUp(Pcs.number(1)).orElseThrow(), 200, Relation.DUPLICATE);
        assertThat(simulation.metric("flk_ingest_total")).isEqualTo(1);
        assertThat(simulation.metric("flk_accepted")).isEqualTo(1);
        for (String gauge : List.of(
                "answered_unrecorded",
                "ids_in_flight",
                "wal_queue_bytes",
                "wal_queue_appends",
                "recorder_queue_groups")) {
            assertThat(simulation.metric("flk_" + gauge)).as(gauge).isZero();
        }
        assertThat(simulation.log())
                .extracting(LogRecord::kind, record -> new String(record.body(), StandardCharsets.UTF_8))
                .containsExactly(tuple('s', Pcs.number(1).json()));
    }

    @Test
    void wallClockSetBack_resendIsAnsweredAsBefore() throws IOException {
        simulation.maxClockSkew = SKEW;
        simulation.start();
        Pcs sentNow = Pcs.number(1).with("sent_at", "\"" + world.now() + "\"");
        simulation.submitted(sentNow);
        simulation.clock.set(Duration.ofHours(-3));

        assertDecided(simulation.submitted(sentNow), 200, Relation.DUPLICATE);
    }

    /** Simulates an agent that adopts the time in the backend's {@code Date} header. */
    @Test
    void wallClockSetAhead_senderFollows_isDecided() throws IOException {
        simulation.maxClockSkew = SKEW;
        simulation.start();
        simulation.clock.set(Duration.ofHours(3));
        String now = "\"" + simulation.clock.now() + "\"";

        assertDecided(simulation.submitted(Pcs.number(1).with("sent_at", now)), 200, Relation.FIRST);
    }

    /** Older agents hold a certificate after this 503, where a second 401 would make it a dead letter. */
    @Test
    void badSignature_newerKeysElsewhere_is503AndChargedAndReportedLikeA401() throws IOException {
        simulation.limits = new Limits.Sizes(BigDecimal.ONE, 1_000, null, BigDecimal.ONE, 1, 1);
        simulation.newerKeysElsewhere = true;
        simulation.start();
        Pcs forged = Pcs.number(1).signedBy("another key");

        assertThat(simulation.submitted(forged)).isEqualTo(Refused.KEYS_OUTDATED);
        assertThat(simulation.send(forged.bytes()).get()).isInstanceOf(Outcome.RateLimited.class);

        assertThat(simulation.metric("flk_signature_deferred_total")).isEqualTo(1);
        assertThat(simulation.metric("flk_signature_errors")).isEqualTo(1);
        assertThat(simulation.metric("flk_signature_refused_total{reason=\"unknown key\",}"))
                .isEqualTo(1);
        assertThat(simulation.metric("flk_rejected_total{reason=\"signature\",}"))
                .isZero();
    }

    @Test
    void signature_newerKeysElsewhere_knownKeysAreAccepted_andOthersGet401Afterwards() throws IOException {
        simulation.newerKeysElsewhere = true;
        simulation.start();
        assertDecided(simulation.submitted(Pcs.number(1)), 200, Relation.FIRST);
        Pcs forged = Pcs.number(2).signedBy("another key");
        assertThat(simulation.submitted(forged)).isEqualTo(Refused.KEYS_OUTDATED);

        simulation.newerKeysElsewhere = false;

        assertThat(simulation.submitted(forged)).isEqualTo(Refused.BAD_SIGNATURE);
    }

    @Test
    void conflict_evidenceIsKeptOnce() throws IOException {
        simulation.start();
        simulation.submitted(Pcs.number(1));
        for (int i = 0; i < 3; i++) {
            assertDecided(simulation.submitted(Pcs.number(1).with("budget", "0.9")), 200, Relation.CONFLICT);
        }
        assertDecided(simulation.submitted(Pcs.number(1).with("seed", "4")), 200, Relation.CONFLICT);

        assertThat(simulation.metric("flk_conflicts_total")).isEqualTo(4);
        assertThat(simulation.metric("flk_evidence_entries")).isEqualTo(2);
        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 'e', 'e');
    }

    @Test
    void diskFull_isReportedAndTemporary() throws IOException {
        simulation.start();
        AtomicReference<Outcome> refused = simulation.submit(Pcs.number(1)).get(0);
        simulation.disk.failOperation(0, Fault.ENOSPC);
        simulation.settle();

        assertUnavailable(refused.get(), Refusal.DISK_FULL);
        assertDecided(simulation.submitted(Pcs.number(1)), 200, Relation.FIRST);
    }

    @Test
    void diskFloor_newSubmissionsAreRefusedUntilThereIsRoom() throws IOException {
        simulation.start();
        simulation.submitted(Pcs.number(1));
        simulation.disk.setUsableBytes(Simulation.MIN_FREE_BYTES - 1);
        world.advance(Duration.ofSeconds(1));
        assertUnavailable(simulation.submitted(Pcs.number(2)), Refusal.DISK_FULL);
        assertDecided(simulation.submitted(Pcs.number(1)), 200, Relation.DUPLICATE);
        assertThat(simulation.metric("flk_wal_errors")).isEqualTo(1);

        simulation.disk.setUsableBytes(Simulation.MIN_FREE_BYTES);
        world.advance(Duration.ofSeconds(1));
        assertDecided(simulation.submitted(Pcs.number(2)), 200, Relation.FIRST);
        assertThat(simulation.log()).hasSize(2);
    }

    @Test
    void readFails_isNotAMiss_laterRecordIsOverruled() throws IOException {
        simulation.start();
        Outcome first = simulation.submitted(Pcs.number(1));
        store.setMood(Mood.READS_FAIL);
        AtomicReference<Outcome> refused = simulation.submit(Pcs.number(1)).get(0);
        simulation.answerAll();
        assertUnavailable(refused.get(), Refusal.STORE_DOWN);
        store.setMood(Mood.UP);
        simulation.settle();

        assertThat(simulation.metric("flk_overruled_total")).isEqualTo(1);
        assertThat(simulation.metric("flk_evidence_entries")).isZero(); // the content is the same
        assertThat(body(simulation.submitted(Pcs.number(1)))).isEqualTo(body(first));
        List<LogRecord> records = simulation.log();
        assertThat(records).extracting(LogRecord::kind).containsExactly('s', 's', 'o');
        Overruled lost = Overruled.decode(records.get(2).body());
        assertThat(lost.sequence()).isEqualTo(2);
        assertThat(lost.existing().expiresAtMillis())
                .isEqualTo(records.get(0).arrivalMillis() + Simulation.TTL.toMillis());
    }

    /** Checks that a long body costs more than a short one: a megabyte takes as long to parse as many short bodies. */
    @Test
    void refusedBody_isChargedToItsAddressByLength() throws IOException {
        simulation.limits = new Limits.Sizes(BigDecimal.TEN, 1_000, null, BigDecimal.ONE, 10, 10);
        simulation.start();
        for (int i = 0; i < 10; i++) {
            assertThat(simulation.send(new byte[1_000]).get()).isInstanceOf(Refused.class);
        }
        assertThat(simulation.send(new byte[1_000]).get()).isInstanceOf(Outcome.RateLimited.class);
        simulation.kill();
        simulation.start();
        assertThat(simulation.send(new byte[1 << 20]).get()).isInstanceOf(Refused.class);
        assertThat(simulation.send(new byte[1]).get()).isInstanceOf(Outcome.RateLimited.class);
    }

    /** Checks that a submission is pending until its log line is written, and no longer pending when it is answered. */
    @Test
    void pending_countsUnfinished() throws IOException {
        simulation.start();
        List<Long> pendingBeforeItEnds = new ArrayList<>();
        AppenderBase<ILoggingEvent> atTheLine = new AppenderBase<>() {
            @Override
            protected void append(ILoggingEvent line) {
                pendingBeforeItEnds.add(simulation.pending());
            }
        };
        Logger logger = (Logger) LoggerFactory.getLogger("dev.flk.backend.ingest");
        logger.setLevel(Level.INFO);
        atTheLine.start();
        logger.addAppender(atTheLine);
        try {
            simulation.submitted(Pcs.number(1));
        } finally {
            logger.detachAppender(atTheLine);
            logger.setLevel(null);
        }

        assertThat(pendingBeforeItEnds).containsExactly(1L);
        assertThat(simulation.pending()).isZero();
    }

    /** Starts a backend whose store answers each call only in a step of its own. */
    private SimulatedDedup startWithSlowStore() throws IOException {
        SimulatedRemote remote = new SimulatedRemote(world, new Random(1), Set.of());
        AtomicReference<SimulatedDedup> client = new AtomicReference<>();
        simulation = new Simulation(
                new Random(1),
                world,
                logId -> {
                    client.set(remote.new Client(logId));
                    return client.get();
                },
                Ready.WHEN_LOG_WAS_READ);
        simulation.start();
        simulation.settle();
        return client.get();
    }

    private List<Optional<Outcome>> lookUp(int count, boolean isOperator) {
        List<Optional<Outcome>> answers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            simulation.ingest().lookUp(Pcs.number(i).id(), isOperator, answers::add);
        }
        return answers;
    }

    /**
     * Checks the limit on look-ups, which need no key and no token. Without the limit, anybody could fill the queue of
     * the store's reads, and the store would count as down.
     */
    @Test
    void lookUps_aboveTheLimit_are503_untilTheStoreAnswers() throws IOException {
        SimulatedDedup slow = startWithSlowStore();
        List<Optional<Outcome>> answers = lookUp(IngestPipeline.MAX_LOOK_UPS + 10, false);
        assertThat(answers).hasSize(10).allMatch(answer -> answer.equals(Optional.of(Refused.OVERLOADED)));
        answers.clear();

        simulation.settle();

        assertThat(answers).hasSize(IngestPipeline.MAX_LOOK_UPS).allMatch(Optional::isEmpty);
        assertThat(lookUp(1, false)).isEmpty();
        assertThat(slow.step()).isTrue();
    }

    @Test
    void lookUpOfAnOperator_strangersTakeAllPlaces_isAnswered() throws IOException {
        startWithSlowStore();
        lookUp(IngestPipeline.MAX_LOOK_UPS, false);

        List<Optional<Outcome>> answers = lookUp(IngestPipeline.MAX_OPERATOR_LOOK_UPS + 1, true);
        assertThat(answers).containsExactly(Optional.of(Refused.OVERLOADED));
        answers.clear();

        simulation.settle();
        assertThat(answers).hasSize(IngestPipeline.MAX_OPERATOR_LOOK_UPS).allMatch(Optional::isEmpty);
    }

    @Test
    void conflicts_moreThanMayBeUnderWay_areRefusedAtOnce() throws IOException {
        SimulatedDedup slow = startWithSlowStore();
        simulation.submitted(Pcs.number(1));
        List<AtomicReference<Outcome>> sent = IntStream.range(0, 300)
                .mapToObj(i -> simulation
                        .submit(Pcs.number(1).with("budget", "0." + (500 + i)))
                        .get(0))
                .toList();

        for (int i = 0; i < 300; i++) {
            slow.step(); // answers a look-up
        }
        assertThat(sent)
                .filteredOn(each -> each.get() != null)
                .hasSize(44)
                .allSatisfy(each -> assertThat(each.get()).isEqualTo(Refused.OVERLOADED));
        simulation.settle();
        assertThat(sent).allSatisfy(each -> assertThat(each.get()).isNotNull());
    }
}
