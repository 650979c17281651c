// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.OneBackendSimulationTest.OneBackend;
import dev.flk.backend.ingest.TwoBackendsSimulationTest.TwoBackends;
import dev.flk.wal.testing.Mutant;
import java.io.IOException;
import java.util.function.LongFunction;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Checks that the random histories detect a missing rule: without any one of the rules, some history breaks a promise.
 */
final class SwitchedOffRulesTest {
    private static final long MAX_SEEDS = Long.getLong("flk.mutantSeeds", 2_000);

    /** The histories, each made of a seed. */
    enum Histories {
        ONE(seed -> new OneBackend(seed, false, false)),
        TWO(seed -> new TwoBackends(seed, false)),
        ONE_COPIED(seed -> new OneBackend(seed, true, false)),
        TWO_COPIED(seed -> new TwoBackends(seed, true));

        @SuppressWarnings("ImmutableEnumChecker") // a lambda without state
        private final LongFunction<RandomHistory> ofSeed;

        Histories(LongFunction<RandomHistory> ofSeed) {
            this.ofSeed = ofSeed;
        }
    }

    /**
     * Each rule has a seed whose history breaks without the rule. If that history no longer breaks, because the
     * histories have changed, the following seeds are tried.
     */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
              51 | TWO        | what won is asserted before what lost      | notCalling backend.ingest.CatchUp$Run readOverruled putIfAbsent
               9 | ONE        | what lost is never asserted                | notCalling backend.ingest.CatchUp$Run readOverruled add
               4 | TWO        | the mark goes back to that of the store    | notCalling backend.ingest.StoreLink connected assertedUpTo
              49 | TWO        | what lost when asserted again is logged    | notCalling backend.ingest.CatchUp$Run keepLosers add
               0 | TWO        | an outcome not recorded is tried again     | notCalling backend.ingest.OutcomeWriter leaveWaiting add
              71 | ONE        | evidence that is not on disk is not known  | notCalling backend.ingest.Evidence answer remove
               0 | TWO        | a store is down until it is complete       | returning backend.outcomes.GuardedStore isUsable 1
              67 | TWO        | an expired outcome is not put              | notCalling backend.ingest.OutcomeWriter put isExpired
               0 | ONE        | the mark is before what is unfinished      | returning backend.inbox.LowWater mark 1099511627776
            2655 | TWO        | the backlog precedes what arrives later    | callingInstead backend.ingest.Completion leftWaiting leaveWaiting end
               2 | TWO        | a start needs all that is undecided        | giving backend.inbox.Inbox read decided 9223372036854775807
              71 | ONE        | a start needs what the store lacks         | giving backend.inbox.Inbox readToAssert max 9223372036854775807
               0 | ONE        | also at the beginning of the log           | returning backend.inbox.Inbox requireBeginning 0
             840 | TWO        | also at the end of the log                 | returning wal.segment.LogReader noteEnd 0
               2 | TWO        | a renamed segment is copied to the next    | returning wal.Segment isUnderItsName 1
               4 | ONE        | the lock is checked before an answer       | notCalling wal.GroupCommit append requireLock
               2 | TWO        | only what is decided is recorded           | callingInstead backend.follow.Follower tryStep decidedUpTo last
               0 | TWO        | what lost never appears in the record      | returning backend.follow.DecidedReader lookAhead 1
             371 | TWO        | what lost after it was recorded disappears | giving backend.follow.DecidedReader decided isPresent 0
               1 | ONE        | a group that failed may have taken effect  | notCalling backend.follow.Follower step forget
               0 | TWO        | what is handed over may leave a gap        | returning backend.follow.DecidedQueue isGapBefore 0
               2 | TWO        | the rows hear that the log went back       | notCalling backend.follow.RecordSink begin wentBack
             129 | ONE        | what was missing is noted                  | notCalling backend.follow.DecidedReader addMissing add
               0 | ONE        | nothing is recorded on a nearly full disk  | giving backend.follow.RecordSink isDiskLow isDiskNearlyLow 0
               1 | TWO        | what the record still needs stays          | returning backend.inbox.LogCare waitFor 0
               1 | ONE        | what is removed is durable before          | notCalling backend.inbox.LogCare step run
               3 | ONE        | a restore skips what may be in use         | notCalling wal.LogRestore skip add
             148 | ONE        | what was removed is not missing            | giving backend.inbox.InboxDirectory restore removed 0
               3 | TWO        | no start uses half a restore               | notCalling wal.Recovery removeUnopened requireFinished
               6 | TWO_COPIED | what is not copied is not answered         | returning backend.copy.CopiedLog sequence 1099511627776
               2 | ONE_COPIED | a gap is looked at before anything counts  | notCalling copy.LogCopy acknowledged look
               5 | ONE_COPIED | the log continues as its copy does         | notCalling copy.CopyStart run requireSameLog
             310 | ONE_COPIED | an attempt reads on as the owner before    | callingInstead copy.CopyChain after incarnation claimant
               1 | ONE_COPIED | the other files go along                   | notCalling copy.CopyStart takeAll writeAttachments
            """)
    void switchedOff_breaksAPromise(long first, String histories, String rule, String change)
            throws ReflectiveOperationException {
        Object seed = Mutant.without(rule, change)
                .run(
                        SwitchedOffRulesTest.class.getName(),
                        "firstBroken",
                        new Class<?>[] {String.class, long.class, long.class},
                        histories,
                        first,
                        first + MAX_SEEDS);
        assertThat((long) seed).as("a seed that breaks without: %s", rule).isNotNegative();
        System.out.println("without \"" + rule + "\" seed " + seed + " breaks");
    }

    /** Returns the first seed whose history breaks a promise, or -1 if there is none. */
    static long firstBroken(String histories, long from, long to) throws IOException {
        for (long seed = from; seed < to; seed++) {
            try {
                Histories.valueOf(histories).ofSeed.apply(seed).run();
            } catch (AssertionError e) {
                return seed;
            } catch (IOException e) {
                if (!histories.endsWith("_COPIED")) {
                    throw e;
                }
                return seed; // a copied log that does not start breaks a promise, too
            }
        }
        return -1;
    }
}
