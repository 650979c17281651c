// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.encoder.Encoder;
import dev.flk.backend.config.LogConfig;
import java.nio.charset.StandardCharsets;
import net.logstash.logback.encoder.LogstashEncoder;
import org.slf4j.LoggerFactory;

/**
 * Log lines: on standard error, so that a command's result can be piped; in UTF-8 whatever the locale; one event a line,
 * stack traces apart.
 */
final class LogOutput {
    /**
     * Line ends and other control characters in a message become spaces: nobody writes a line that looks like another's,
     * or speaks to a terminal.
     */
    private static final String TEXT_LINE = "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX, UTC} %-5level %logger{0} - "
            + "%replace(%msg){'[\\p{Cc}\\u2028\\u2029]+', ' '}%n";

    /** Libraries tell more than an operator wants to know. */
    private static final String[] QUIET = {"io.lettuce", "io.netty", "org.flywaydb", "org.rocksdb", "reactor"};

    /** These warn of each connection that broke, and of each Sentinel at each try, which the store tells in a line, once. */
    private static final String[] MUTE = {"com.zaxxer.hikari", "io.lettuce.core.RedisClient"};

    private LogOutput() {}

    static void configure(LogConfig config) {
        LoggerContext context = (LoggerContext) LoggerFactory.getILoggerFactory();
        context.reset();
        ConsoleAppender<ILoggingEvent> console = new ConsoleAppender<>();
        console.setContext(context);
        console.setTarget("System.err");
        console.setEncoder(encoder(config.format(), context));
        console.start();
        Logger root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        root.setLevel(Level.valueOf(config.level().name()));
        root.addAppender(console);
        for (String library : QUIET) {
            Level quiet = root.getLevel().isGreaterOrEqual(Level.WARN) ? root.getLevel() : Level.WARN;
            context.getLogger(library).setLevel(quiet);
        }
        for (String library : MUTE) {
            context.getLogger(library).setLevel(Level.ERROR);
        }
    }

    private static Encoder<ILoggingEvent> encoder(LogConfig.Format format, LoggerContext context) {
        return switch (format) {
            case TEXT -> {
                PatternLayoutEncoder encoder = new PatternLayoutEncoder();
                encoder.setContext(context);
                encoder.setPattern(TEXT_LINE);
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
}
