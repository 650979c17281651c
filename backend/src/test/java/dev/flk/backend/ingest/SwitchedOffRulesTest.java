// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.flk.wal.testing.Mutant;
import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The random histories hold the rules: with any of them switched off, some history breaks a promise. */
final class SwitchedOffRulesTest {
    private static final String HERE = "dev.flk.backend.ingest.";
    private static final long MOST_SEEDS = Long.getLong("flk.mutantSeeds", 2_000);

    /** Each with a seed whose history breaks; where it does no more, since the histories have changed, the next ones are searched. */
    static Stream<Arguments> rules() {
        return Stream.of(
                arguments(
                        28,
                        Mutant.notCalling(
                                "what won is asserted before what lost",
                                HERE + "CatchUp$Run",
                                "readOverruled",
                                "putIfAbsent")),
                arguments(
                        9,
                        Mutant.notCalling("what lost is never asserted", HERE + "CatchUp$Run", "readOverruled", "add")),
                arguments(
                        4,
                        Mutant.notCalling(
                                "the mark goes back to what the store has",
                                HERE + "StoreLink",
                                "connected",
                                "assertedUpTo")),
                arguments(
                        49,
                        Mutant.notCalling(
                                "what lost when it was asserted again is logged",
                                HERE + "CatchUp$Run",
                                "keepLosers",
                                "add")),
                arguments(
                        0,
                        Mutant.notCalling(
                                "what could not be recorded is tried again",
                                HERE + "OutcomeWriter",
                                "leaveWaiting",
                                "add")),
                arguments(
                        25,
                        Mutant.notCalling(
                                "evidence that is not on disk is not known", HERE + "Evidence", "tell", "remove")),
                arguments(
                        0,
                        Mutant.returning(
                                "a store that is back counts as down until it is complete",
                                "dev.flk.backend.dedup.GuardedStore",
                                "isUsable",
                                1)),
                arguments(1, Mutant.notCalling("what expired is not put", HERE + "OutcomeWriter", "put", "isExpired")),
                arguments(
                        0,
                        Mutant.returning(
                                "the mark is before what is unfinished",
                                "dev.flk.backend.inbox.LowWater",
                                "mark",
                                1L << 40)),
                arguments(
                        2655,
                        Mutant.callingInstead(
                                "who waits in the backlog goes before who comes later",
                                HERE + "Completion",
                                "leftWaiting",
                                "leaveWaiting",
                                "end")),
                arguments(
                        2,
                        Mutant.giving(
                                "a start stops where something undecided is away",
                                "dev.flk.backend.inbox.Inbox",
                                "read",
                                "decided",
                                Long.MAX_VALUE)),
                arguments(
                        38,
                        Mutant.giving(
                                "what is away is not passed over where the store lacks it",
                                "dev.flk.backend.inbox.Inbox",
                                "readToAssert",
                                "max",
                                Long.MAX_VALUE)),
                arguments(
                        0,
                        Mutant.returning(
                                "nor is it at the beginning of the log",
                                "dev.flk.backend.inbox.Inbox",
                                "requireBeginning",
                                0)),
                arguments(840, Mutant.returning("nor at its end", "dev.flk.wal.segment.LogReader", "noteEnd", 0)),
                arguments(
                        2,
                        Mutant.returning(
                                "what was forced to a renamed segment goes to the next one, too",
                                "dev.flk.wal.Segment",
                                "isUnderItsName",
                                1)),
                arguments(
                        4,
                        Mutant.notCalling(
                                "the owner asks for its lock before an answer",
                                "dev.flk.wal.GroupCommit",
                                "append",
                                "requireLock")));
    }

    @ParameterizedTest
    @MethodSource("rules")
    void switchedOff_breaksAPromise(long first, Mutant mutant) throws ReflectiveOperationException {
        Object seed = mutant.run(
                HERE + "SwitchedOffRulesTest",
                "firstBroken",
                new Class<?>[] {long.class, long.class},
                first,
                first + MOST_SEEDS);
        assertThat((long) seed).as("a seed that breaks without: %s", mutant).isNotNegative();
        System.out.println("without \"" + mutant + "\" seed " + seed + " breaks");
    }

    /** The first seed whose history breaks; -1 if none does. */
    static long firstBroken(long from, long to) throws IOException {
        for (long seed = from; seed < to; seed++) {
            try {
                new OneBackend(seed).run();
                new TwoBackends(seed).run();
            } catch (AssertionError e) {
                return seed;
            }
        }
        return -1;
    }
}
