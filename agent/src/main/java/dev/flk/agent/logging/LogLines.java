// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.logging;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.Appender;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.encoder.Encoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import net.logstash.logback.encoder.LogstashEncoder;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/** Configures logging in code: no file on the class path can change what operators grep for. */
public final class LogLines {
    private LogLines() {}

    /** Lines for people: time in UTC, level, text. */
    public static void text(Level level) {
        LoggerContext context = context();
        PatternLayoutEncoder encoder = new PatternLayoutEncoder();
        encoder.setContext(context);
        encoder.setCharset(StandardCharsets.UTF_8);
        encoder.setPattern("%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z',UTC} %-5level %msg%n");
        start(context, encoder, level);
    }

    /** A JSON object a line. */
    public static void json(Level level) {
        LoggerContext context = context();
        LogstashEncoder encoder = new LogstashEncoder();
        encoder.setContext(context);
        encoder.setTimeZone("UTC");
        start(context, encoder, level);
    }

    private static LoggerContext context() {
        return (LoggerContext) LoggerFactory.getILoggerFactory();
    }

    private static void start(LoggerContext context, Encoder<ILoggingEvent> encoder, Level level) {
        encoder.start();
        ConsoleAppender<ILoggingEvent> stderr = new ConsoleAppender<>();
        stderr.setContext(context);
        stderr.setTarget("System.err");
        stderr.setEncoder(encoder);
        stderr.start();
        Logger root = context.getLogger(Logger.ROOT_LOGGER_NAME);
        List<Appender<ILoggingEvent>> before = new ArrayList<>();
        root.iteratorForAppenders().forEachRemaining(before::add);
        root.setLevel(ch.qos.logback.classic.Level.INFO);
        // a running agent may be told to log otherwise: no line gets lost in between
        root.addAppender(stderr);
        before.forEach(old -> {
            root.detachAppender(old);
            old.stop();
        });
        context.getLogger("dev.flk").setLevel(ch.qos.logback.classic.Level.convertAnSLF4JLevel(level));
    }
}
