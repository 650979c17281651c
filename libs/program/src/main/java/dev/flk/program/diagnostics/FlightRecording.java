// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.ParseException;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import jdk.jfr.Configuration;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import jdk.jfr.RecordingState;

/** Makes flight recordings of this JVM, one at a time. Safe for several threads. */
public final class FlightRecording implements Closeable {
    public static final int MAX_SECONDS = 300;
    private static final long MAX_BYTES = 16 << 20;

    /**
     * The events that are not recorded, because they may contain secrets, such as keys in the environment or passwords
     * in the arguments of this or another process.
     */
    static final Set<String> EVENTS_WITH_SECRETS = Set.of(
            "jdk.InitialEnvironmentVariable",
            "jdk.InitialSystemProperty",
            "jdk.InitialSecurityProperty",
            "jdk.JVMInformation",
            "jdk.SystemProcess",
            "jdk.ProcessStart",
            "jdk.StringFlag");

    private final ReentrantLock oneAtATime = new ReentrantLock();
    private final CountDownLatch closed = new CountDownLatch(1);

    /** The result of a recording. */
    public sealed interface Result permits Recorded, Failed {}

    /**
     * A successful recording.
     *
     * @param content the recording, which the receiver must close; its file is already deleted
     */
    public record Recorded(InputStream content) implements Result, Closeable {
        @Override
        public void close() throws IOException {
            content.close();
        }
    }

    /**
     * A failed recording.
     *
     * @param isBusy whether another recording is in progress
     */
    public record Failed(boolean isBusy, String why) implements Result {}

    /**
     * Records for a number of seconds and returns the recording. Returns {@link Failed} if another recording is in
     * progress, this object is closed meanwhile, or the recording can't be made.
     */
    public Result record(int seconds) {
        if (!oneAtATime.tryLock()) {
            return new Failed(true, "a recording is in progress; only one is made at a time");
        }
        try {
            return isAnotherRunning()
                    ? new Failed(true, "this JVM is already recording (by its options or jcmd); use that recording")
                    : made(seconds);
        } catch (IllegalStateException | LinkageError e) {
            return failed(e);
        } finally {
            oneAtATime.unlock();
        }
    }

    private Result made(int seconds) {
        try (Recording recording = new Recording(Configuration.getConfiguration("profile"))) {
            recording.setName("flk");
            recording.setMaxSize(MAX_BYTES);
            EVENTS_WITH_SECRETS.forEach(recording::disable);
            recording.start();
            if (closed.await(seconds, TimeUnit.SECONDS)) {
                return new Failed(false, "the program is stopping");
            }
            recording.stop();
            return dumped(recording);
        } catch (IOException | ParseException e) {
            return failed(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new Failed(false, "the recording was interrupted");
        }
    }

    private static Failed failed(Throwable e) {
        return new Failed(
                false,
                "no recording could be made in " + System.getProperty("java.io.tmpdir") + ": " + e
                        + "; set -Djava.io.tmpdir to another directory");
    }

    /**
     * Returns whether another recording is running, for example because of jcmd. The other recording may enable
     * events that contain secrets. A recording made here at the same time would contain these events too.
     */
    private static boolean isAnotherRunning() {
        return FlightRecorder.getFlightRecorder().getRecordings().stream()
                .anyMatch(other -> other.getState() == RecordingState.RUNNING);
    }

    private static Recorded dumped(Recording recording) throws IOException {
        Path file = Files.createTempFile("flk-", ".jfr");
        try {
            recording.dump(file);
            // an open file can be read to its end after its name is deleted
            return new Recorded(Files.newInputStream(file));
        } finally {
            Files.delete(file);
        }
    }

    @Override
    public void close() {
        closed.countDown();
    }
}
