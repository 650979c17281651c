// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.PatternLayout;
import ch.qos.logback.classic.pattern.MessageConverter;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import ch.qos.logback.core.encoder.Encoder;
import ch.qos.logback.core.encoder.LayoutWrappingEncoder;
import dev.flk.backend.config.LogConfig;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import net.logstash.logback.encoder.LogstashEncoder;
import org.slf4j.LoggerFactory;

/**
 * Log lines: on standard error, so that a command's result can be piped; in UTF-8 whatever the locale; one event a line,
 * stack traces apart.
 */
final class LogOutput {
    private static final String CLEAN = "clean";
    private static final String TEXT_LINE =
            "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX, UTC} %-5level %logger{0} - %" + CLEAN + "%n";

    /** It has a line for each certificate. */
    private static final String INGEST = "dev.flk.backend.ingest";

    /** Libraries tell more than an operator wants to know. */
    private static final String[] QUIET = {"io.lettuce", "io.netty", "org.rocksdb", "reactor"};

    /** These warn of each connection that broke, and of each Sentinel at each try, which the store tells in a line, once. */
    private static final String[] MUTE = {"com.zaxxer.hikari", "io.lettuce.core.RedisClient"};

    /** What it tells of a migration that failed, with its stack trace, the store tells in a line. */
    private static final String SILENT = "org.flywaydb";

    private LogOutput() {}

    static void configure(LogConfig config) {
        LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
        context.reset();
        StandardError standardError = new StandardError(encoder(config.format(), context), INGEST);
        standardError.setContext(context);
        standardError.start();
        Logger root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        root.setLevel(Level.valueOf(config.level().name()));
        root.addAppender(standardError);
        for (String library : QUIET) {
            Level quiet = root.getLevel().isGreaterOrEqual(Level.WARN) ? root.getLevel() : Level.WARN;
            context.getLogger(library).setLevel(quiet);
        }
        for (String library : MUTE) {
            context.getLogger(library).setLevel(Level.ERROR);
        }
        context.getLogger(SILENT).setLevel(Level.OFF);
    }

    private static Encoder<ILoggingEvent> encoder(LogConfig.Format format, LoggerContext context) {
        return switch (format) {
            case TEXT -> {
                PatternLayout layout = new PatternLayout();
                layout.getInstanceConverterMap().put(CLEAN, CleanMessage::new);
                layout.setContext(context);
                layout.setPattern(TEXT_LINE);
                layout.start();
                LayoutWrappingEncoder<ILoggingEvent> encoder = new LayoutWrappingEncoder<>();
                encoder.setContext(context);
                encoder.setLayout(layout);
                encoder.setCharset(StandardCharsets.UTF_8);
                encoder.start();
                yield encoder;
            }
            case JSON -> {
                LogstashEncoder encoder = new LogstashEncoder();
                encoder.setContext(context);
                encoder.setTimeZone("UTC");
                encoder.start();
                yield encoder;
            }
        };
    }

    /**
     * A message in which line ends and other control characters are spaces: nobody writes a line that looks like another's, or speaks to a
     * terminal. Public for the library that makes it.
     */
    public static final class CleanMessage extends MessageConverter {
        private static final Pattern UNCLEAN = Pattern.compile("[\\p{Cc}\\u2028\\u2029]+");

        @Override
        public String convert(ILoggingEvent event) {
            String message = super.convert(event);
            for (int i = 0; i < message.length(); i++) {
                char c = message.charAt(i);
                if (Character.isISOControl(c) || c == '\u2028' || c == '\u2029') {
                    return UNCLEAN.matcher(message).replaceAll(" ");
                }
            }
            return message;
        }
    }

    /**
     * Writes log lines to standard error, in order. A line for each certificate, at INFO, may wait a moment for others, since a call to the
     * system for each would cost more than deciding it; whatever else is told goes out at once, with all that was told before. A kill loses
     * the lines of that moment at the most.
     */
    private static final class StandardError extends AppenderBase<ILoggingEvent> {
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
}
