// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.wal.testing.Mutant;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Checks that stories and histories detect a missing rule: without it, a promise is broken. */
class SwitchedOffRulesTest {
    private static final long MAX_SEEDS = Long.getLong("flk.mutantSeeds", 2_000);

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
            a lost header is sent again before groups count | notCalling copy.LogCopy lose sendAgain | headerIsLost_laterEntriesAreAcknowledged_nothingAfterItIsAnswered
            a gap is looked at, a superseded owner is silent | notCalling copy.LogCopy acknowledged look | ownerIsPausedForTenMinutes_whileAnotherClaims_answersNothingMore
            lower offsets are a loss | notCalling copy.LogCopy acknowledged startAgain | topicIsCreatedAgain_everythingIsCopiedAgain_beforeTheMachineBurns
            a loss during an outage is noticed | giving copy.LogCopy mayTryAgain hasNewest 1 | newestEntryIsReplacedDuringAnOutage_isNoticed
            a loss is noticed at the start | giving copy.CopyNote loss hasNewest 1 | newestEntryIsReplacedWhileTheBackendIsDown_isNoticed
            the note of a topic that has changed is not used | giving copy.CopyStart run hasNewest 1; giving copy.CopyNote loss hasNewest 1 | topicLosesItsEnd_andAnOlderDiskIsPutBack
            the claim is sent until it is acknowledged | notCalling copy.LogCopy mayTryAgain claimAgain | topicLosesTheClaim_andTheNextOneIsLostToo_isClaimedAgain
            a living owner is taken over by command only | notCalling copy.CopyStart run requireOwn; notCalling copy.CopyStart takeAll requireOwn | twoOwnersWithOneName_secondWaitsWhileTheFirstLives_orTakesOver
            declared losses precede the segments again | notWriting copy.LogCopy startAgain hasAttached; notWriting copy.LogCopy startAgain attachedNanos | topicIsCreatedAgain_declaredLossesAreCopiedBeforeTheSegments
            the newest other files are not removed | returning copy.LogCopy isAttachedSince 1 | segmentsAreRemovedFromTheTopic_declaredLossesStay
            a successor in a new topic is found | notCalling copy.LogCopy startAgain look | topicIsCreatedAgain_andAnotherClaimsIt_ownerAnswersNothingMore
            one place of the log has one segment | giving copy.CopyStart requireSameLog hasOrdinal 0 | olderDiskHasRecordsInASegmentThatTheCopyHasNot_isRefused
            a log that continues differently is refused | notCalling copy.CopyStart run requireSameLog | olderDiskHasRecordsInASegmentThatTheCopyHasNot_isRefused
            """)
    void switchedOff_breaksTheStory(String rule, String change, String story) throws ReflectiveOperationException {
        assertThat(Mutant.without(rule, change).breaks(CopyStoriesTest.class, story))
                .isTrue();
    }

    /** Does the same with a history instead of a story; the following ones are tried if it has changed. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
               1 | a log that the copy continues is refused      | giving copy.CopyStart requireSameLog anyMatch 0
              21 | what was perhaps not sent is sent again       | notCalling copy.LogCopy step sendAgain
            """)
    void switchedOff_breaksAHistory(long first, String rule, String change) throws ReflectiveOperationException {
        Object seed = Mutant.without(rule, change)
                .run(
                        CopyHistoriesTest.class.getName(),
                        "firstBroken",
                        new Class<?>[] {long.class, long.class},
                        first,
                        first + MAX_SEEDS);
        assertThat((long) seed).as("a seed that breaks without: %s", rule).isNotNegative();
        System.out.println("without \"" + rule + "\" seed " + seed + " breaks");
    }
}
