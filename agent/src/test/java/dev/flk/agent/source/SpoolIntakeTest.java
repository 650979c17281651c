// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.source;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.flk.agent.send.Certificates;
import dev.flk.agent.testing.TestSink;
import dev.flk.agent.testing.TestSink.Appending;
import dev.flk.program.logging.LineLimit;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
class SpoolIntakeTest {
    @TempDir
    private Path spool;

    private final CountDownLatch hanging = new CountDownLatch(1);
    private final CountDownLatch released = new CountDownLatch(1);

    @AfterEach
    void release() {
        released.countDown();
    }

    @Test
    void pass_noFileToAdd_returnsFalse() throws Exception {
        try (SpoolIntake intake = start(certificates -> {})) {
            assertThat(intake.pass().get()).isFalse();

            Files.write(spool.resolve(".a.json"), Certificates.certificate(1));
            Files.move(spool.resolve(".a.json"), spool.resolve("a.json"));

            Awaitility.await().until(() -> spool.toFile().list().length == 0);
            assertThat(intake.pass().get()).isFalse();
            assertThat(intake.leftBehind()).isEmpty();
        }
    }

    @Test
    void close_stepHangs_returns() throws Exception {
        Files.write(spool.resolve("a.json"), Certificates.certificate(1));
        try (SpoolIntake intake = start(certificates -> hang())) {
            hanging.await();

            assertThat(intake.pass()).isNotDone();
        }
        assertThat(spool.resolve("a.json")).exists();
    }

    @Test
    void step_unexpectedError_isReported() throws Exception {
        Files.write(spool.resolve("a.json"), Certificates.certificate(1));
        try (SpoolIntake intake = start(certificates -> {
            throw new UnsupportedOperationException("a bug");
        })) {
            Awaitility.await()
                    .untilAsserted(() -> assertThatIllegalStateException()
                            .isThrownBy(intake::requireNoFailure)
                            .havingCause()
                            .withMessage("a bug"));
        }
    }

    private void hang() {
        hanging.countDown();
        try {
            assertThat(released.await(60, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private SpoolIntake start(Appending appending) {
        return SpoolIntake.start(spool, new TestSink(appending), InstantSource.system(), LineLimit.ofOutages(() -> 0));
    }
}
