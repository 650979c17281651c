// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.logging;

import static dev.flk.program.config.Quantities.oneOf;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.PatternLayout;
import ch.qos.logback.classic.pattern.MessageConverter;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.spi.LoggingEvent;
import ch.qos.logback.classic.spi.ThrowableProxy;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.AppenderBase;
import ch.qos.logback.core.encoder.Encoder;
import ch.qos.logback.core.encoder.LayoutWrappingEncoder;
import dev.flk.program.cli.Printable;
import dev.flk.program.config.Key;
import dev.flk.program.config.Settings;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.regex.Pattern;
import net.logstash.logback.encoder.LogstashEncoder;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * Configures logging to standard error, so that a command's result can be piped. Lines are in UTF-8 regardless of the
 * locale. Each event is one line, except that a stack trace adds more lines. The configuration is in code, so that no
 * file on the class path can change the lines that operators search for.
 */
public final class LogOutput {
    /** The Logback conversion word for the message without line ends and control characters, for use in a pattern. */
    public static final String MESSAGE = "%clean";

    /** The maximum length of a message, in characters. A longer message is truncated, and its length is added. */
    private static final int MOST_MESSAGE_CHARS = 16_384;

    /** The appender of the last configuration; null before the first. */
    private static volatile @Nullable StandardError current;

    private LogOutput() {}

    /**
     * The form of a program's log lines.
     *
     * @param textLine the Logback pattern of a line in text format
     * @param quiet the minimum levels of loggers that are too verbose for operators
     * @param bufferedLogger the logger that writes a line for each certificate; its lines at INFO or below may be
     *     delayed briefly. Null if the program has no such logger
     */
    public record Style(
            String textLine,
            Map<String, Level> quiet,
            @Nullable String bufferedLogger) {}

    /** Applies a configuration; no line is lost during the change. */
    public static void configure(LogConfig config, Style style) {
        LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
        StandardError standardError =
                new StandardError(encoder(config.format(), style.textLine(), context), style.bufferedLogger());
        standardError.setContext(context);
        standardError.start();
        Logger root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        List<Appender<ILoggingEvent>> before = new ArrayList<>();
        root.iteratorForAppenders().forEachRemaining(before::add);
        root.setLevel(Level.convertAnSLF4JLevel(config.level()));
        style.quiet().forEach((name, level) -> {
            Level least = root.getLevel().isGreaterOrEqual(level) ? root.getLevel() : level;
            context.getLogger(name).setLevel(least);
        });
        root.addAppender(standardError);
        current = standardError;
        before.forEach(old -> {
            root.detachAppender(old);
            old.stop();
        });
    }

    /**
     * Writes the same line as {@code logger.info(message)}, but at a fraction of the cost. Writes nothing and returns
     * false in three cases: logging is not configured or is being configured again; {@code logger} is not the buffered
     * logger, or has an appender of its own; or the encoder does not keep the message unchanged. Consecutive lines that
     * one thread writes within a millisecond have the same time.
     *
     * @param logger a logger whose level includes INFO
     * @param message UTF-8 without control characters, quotes or backslashes
     * @param length the number of bytes of {@code message}
     * @return whether the line was written; if not, the caller uses the logger
     */
    public static boolean writeInfo(org.slf4j.Logger logger, byte[] message, int length) {
        StandardError output = current;
        return output != null && output.writeInfo((Logger) logger, message, length);
    }

    private static Encoder<ILoggingEvent> encoder(LogConfig.Format format, String textLine, LoggerContext context) {
        return switch (format) {
            case TEXT -> {
                PatternLayout layout = new PatternLayout() {
                    @Override
                    public String doLayout(ILoggingEvent event) {
                        String line = super.doLayout(event);
                        // the messages of exceptions, which follow in lines of their own, are not cleaned yet
                        return event.getThrowableProxy() == null ? line : Printable.escaped(line);
                    }
                };
                layout.getInstanceConverterMap().put(MESSAGE.substring(1), CleanMessage::new);
                layout.setContext(context);
                layout.setPattern(textLine);
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
     * A converter that replaces line ends and other unprintable characters in messages with spaces, so that no message
     * can imitate another log line or control a terminal.
     */
    public static final class CleanMessage extends MessageConverter {
        private static final Pattern UNCLEAN = Pattern.compile("[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]+");

        @Override
        public String convert(ILoggingEvent event) {
            String message = super.convert(event);
            for (int i = 0; i < message.length(); i++) {
                if (mayBeUnclean(message.charAt(i))) {
                    return UNCLEAN.matcher(message).replaceAll(" ");
                }
            }
            return message;
        }

        private static boolean mayBeUnclean(char c) {
            return switch (Character.getType(c)) {
                case Character.CONTROL,
                        Character.FORMAT,
                        Character.SURROGATE,
                        Character.LINE_SEPARATOR,
                        Character.PARAGRAPH_SEPARATOR -> true;
                default -> false;
            };
        }
    }

    /**
     * An appender that writes log lines to standard error, in order. A line for a single certificate, at INFO or below,
     * may be buffered briefly, because a system call for each such line would cost more than deciding the certificate.
     * Any other line is written at once, after all lines that are still buffered. If the process is killed, only lines
     * that are still buffered are lost.
     */
    private static final class StandardError extends AppenderBase<ILoggingEvent> {
        /** The time after which buffered lines are written; it is too short to notice. */
        private static final long MOMENT_NANOS = Duration.ofMillis(20).toNanos();

        private static final int MOST_HELD_BYTES = 32 << 10;

        /**
         * A placeholder for the message in a line that is encoded once for several messages; no other part of a line
         * contains this text.
         */
        private static final String MARK = "<the message>";

        private final Encoder<ILoggingEvent> encoder;
        private final @Nullable String bufferedLogger;
        private final ByteArrayOutputStream held = new ByteArrayOutputStream(2 * MOST_HELD_BYTES);
        private final Thread flusher = new Thread(this::flushNowAndThen, "log-lines");
        private volatile boolean waiting;

        /**
         * The part before the message in the line that was encoded last for {@link #writeInfo}; {@link #afterMessage}
         * is the part after the message.
         */
        private byte[] beforeMessage = {};

        private byte[] afterMessage = {};

        /**
         * The millisecond in which the last line for {@link #writeInfo} was encoded; -1 if another line was written
         * since then.
         */
        private long framedMillis = -1;

        private @Nullable Thread framedBy;

        /**
         * @param bufferedLogger the logger whose lines at INFO or below may be delayed; null if no logger's lines may
         *     be delayed
         */
        StandardError(Encoder<ILoggingEvent> encoder, @Nullable String bufferedLogger) {
            this.encoder = encoder;
            this.bufferedLogger = bufferedLogger;
            flusher.setDaemon(true);
        }

        @Override
        public void start() {
            super.start();
            if (bufferedLogger != null) {
                flusher.start();
            }
        }

        /** Appends an event. The base class calls this method on one thread at a time. */
        @Override
        protected void append(ILoggingEvent event) {
            byte[] line = encoder.encode(bounded(event));
            // makes writeInfo encode its next line again; the time in the bytes that writeInfo keeps may be earlier
            // than the time of this line
            framedMillis = -1;
            boolean mayWait = event.getLevel().levelInt <= Level.INFO_INT
                    && event.getLoggerName().equals(bufferedLogger);
            synchronized (held) {
                held.writeBytes(line);
                written(mayWait);
            }
        }

        private ILoggingEvent bounded(ILoggingEvent event) {
            String message = event.getFormattedMessage();
            if (message == null || message.length() <= MOST_MESSAGE_CHARS) {
                return event;
            }
            return new LoggingEvent(
                    LogOutput.class.getName(),
                    ((LoggerContext) getContext()).getLogger(event.getLoggerName()),
                    event.getLevel(),
                    message.substring(0, MOST_MESSAGE_CHARS) + "… (" + message.length() + " characters)",
                    event.getThrowableProxy() instanceof ThrowableProxy thrown ? thrown.getThrowable() : null,
                    null);
        }

        /**
         * Flushes the held lines, unless the line added last may wait and there is room for more. Called with the lock
         * on {@link #held}.
         */
        private void written(boolean mayWait) {
            if (!mayWait || held.size() >= MOST_HELD_BYTES) {
                flush();
            } else if (!waiting) {
                waiting = true;
                LockSupport.unpark(flusher);
            }
        }

        synchronized boolean writeInfo(Logger logger, byte[] message, int length) {
            if (!isStarted()
                    || !logger.getName().equals(bufferedLogger)
                    || logger.iteratorForAppenders().hasNext()) {
                return false;
            }
            long now = System.currentTimeMillis();
            if ((now != framedMillis || framedBy != Thread.currentThread()) && !frame(logger, now)) {
                return false;
            }
            synchronized (held) {
                held.writeBytes(beforeMessage);
                held.write(message, 0, length);
                held.writeBytes(afterMessage);
                written(true);
            }
            return true;
        }

        /**
         * Encodes the parts of a line before and after the message. Further lines that this thread writes in the same
         * millisecond have the same parts, so they are not encoded again until a different line is written. Returns
         * false if the encoded line does not contain the message unchanged.
         */
        private boolean frame(Logger logger, long now) {
            LoggingEvent event = new LoggingEvent(LogOutput.class.getName(), logger, Level.INFO, MARK, null, null);
            String line = new String(encoder.encode(event), StandardCharsets.UTF_8);
            int at = line.indexOf(MARK);
            if (at < 0) {
                return false;
            }
            beforeMessage = line.substring(0, at).getBytes(StandardCharsets.UTF_8);
            afterMessage = line.substring(at + MARK.length()).getBytes(StandardCharsets.UTF_8);
            framedMillis = now;
            framedBy = Thread.currentThread();
            return true;
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
        public synchronized void stop() {
            super.stop();
            LockSupport.unpark(flusher);
            flush();
        }
    }

    /**
     * The logging configuration.
     *
     * @param level the minimum level that is logged
     */
    public record LogConfig(org.slf4j.event.Level level, Format format) {
        /** The format of log lines. */
        public enum Format {
            /** Text for people. */
            TEXT,
            /** One JSON object per line. */
            JSON
        }

        /** The setting for the minimum level. */
        public static final Key<org.slf4j.event.Level> LEVEL = Key.of(
                        "LOG_LEVEL", oneOf(org.slf4j.event.Level.class), "The lowest level that is logged.")
                .or("INFO")
                .reloadable();

        public static final Key<Format> FORMAT =
                Key.of("LOG_FORMAT", oneOf(Format.class), "`text`, or `json`.").or("text");

        /** Reads the configuration from settings. */
        public static LogConfig read(Settings settings) {
            return new LogConfig(settings.get(LEVEL), settings.get(FORMAT));
        }
    }
}
