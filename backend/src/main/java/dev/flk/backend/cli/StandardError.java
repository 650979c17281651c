// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import ch.qos.logback.core.encoder.Encoder;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/**
 * Writes log lines to standard error, in order. A line for each certificate, at INFO, may wait a moment for others, since a call to the
 * system for each would cost more than deciding it; whatever else is told goes out at once, with all that was told before. A kill loses
 * the lines of that moment at the most.
 */
final class StandardError extends AppenderBase<ILoggingEvent> {
    /** Nobody who reads along notices. */
    private static final long MOMENT_NANOS = Duration.ofMillis(20).toNanos();

    private static final int MOST_HELD_BYTES = 32 << 10;

    private final Encoder<ILoggingEvent> encoder;
    private final String patientLogger;
    private final ByteArrayOutputStream held = new ByteArrayOutputStream(2 * MOST_HELD_BYTES);
    private final Thread flusher = new Thread(this::flushNowAndThen, "log-lines");
    private volatile boolean waiting;

    /** @param patientLogger whose lines at INFO may wait */
    StandardError(Encoder<ILoggingEvent> encoder, String patientLogger) {
        this.encoder = encoder;
        this.patientLogger = patientLogger;
        flusher.setDaemon(true);
    }

    @Override
    public void start() {
        super.start();
        flusher.start();
    }

    /** One thread at a time, as the base class has it. */
    @Override
    protected void append(ILoggingEvent event) {
        byte[] line = encoder.encode(event);
        boolean mayWait = event.getLevel().levelInt <= Level.INFO_INT
                && event.getLoggerName().equals(patientLogger);
        synchronized (held) {
            held.writeBytes(line);
            if (!mayWait || held.size() >= MOST_HELD_BYTES) {
                flush();
            } else if (!waiting) {
                waiting = true;
                LockSupport.unpark(flusher);
            }
        }
    }

    private void flush() {
        synchronized (held) {
            if (held.size() > 0) {
                byte[] bytes = held.toByteArray();
                held.reset();
                System.err.write(bytes, 0, bytes.length);
                System.err.flush();
            }
            waiting = false;
        }
    }

    private void flushNowAndThen() {
        while (isStarted()) {
            if (waiting) {
                LockSupport.parkNanos(this, MOMENT_NANOS);
                flush();
            } else {
                LockSupport.park(this);
            }
        }
    }

    @Override
    public void stop() {
        super.stop();
        LockSupport.unpark(flusher);
        flush();
    }
}
