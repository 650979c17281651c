// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.logging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.program.logging.LogOutput.LogConfig;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

class LogOutputTest {
    private static final LogOutput.Style STYLE = new LogOutput.Style(
            "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX, UTC} %-5level %logger{0} - " + LogOutput.MESSAGE + "%n",
            Map.of("some.client", ch.qos.logback.classic.Level.ERROR),
            "some.stream");

    private final PrintStream standardError = System.err;
    private final ByteArrayOutputStream written = new ByteArrayOutputStream();

    @BeforeEach
    void redirect() {
        System.setErr(new PrintStream(written, true, StandardCharsets.US_ASCII));
    }

    @AfterEach
    void restore() {
        System.setErr(standardError);
        LogOutput.configure(new LogConfig(Level.INFO, LogConfig.Format.TEXT), STYLE);
    }

    @Test
    void text_line_hasTimeLevelAndMessageInUtf8() {
        assertThat(logged(LogConfig.Format.TEXT, "PCS accepted (D̂=1.41, coh★=0.73)"))
                .matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z INFO  LogOutputTest - "
                        + "PCS accepted \\(D̂=1\\.41, coh★=0\\.73\\)\\R");
    }

    @Test
    void text_messageWithLineEnds_staysOneLine() {
        assertThat(logged(LogConfig.Format.TEXT, "one\r\ntwo\nthree"))
                .contains("one two three")
                .containsOnlyOnce(System.lineSeparator());
    }

    @ParameterizedTest
    @EnumSource(LogConfig.Format.class)
    void longMessage_isCut_andItsLengthIsNamed(LogConfig.Format format) {
        assertThat(logged(format, "name " + "n".repeat(3_000_000)))
                .contains("name nnn", "… (3000005 characters)")
                .hasSizeLessThan(17_000);
    }

    @Test
    void text_controlCharactersInAMessage_becomeSpaces() {
        assertThat(logged(LogConfig.Format.TEXT, "a\u001b[31mb\u0085c\u2028d\te\u202ef"))
                .endsWith("a [31mb c d e f" + System.lineSeparator());
    }

    @Test
    void text_controlCharactersInAnException_areEscaped() {
        LogOutput.configure(new LogConfig(Level.INFO, LogConfig.Format.TEXT), STYLE);
        LoggerFactory.getLogger(LogOutputTest.class).error("a", new IllegalStateException("b\u001b[2J\u202e"));

        assertThat(written.toString(StandardCharsets.UTF_8)).contains("IllegalStateException: b\\u001b[2J\\u202e");
    }

    @Test
    void json_line_isAnObject() {
        assertThat(logged(LogConfig.Format.JSON, "coh★ \"x\""))
                .startsWith("{\"@timestamp\":\"")
                .contains("\"message\":\"coh★ \\\"x\\\"\"", "\"level\":\"INFO\"")
                .containsOnlyOnce(System.lineSeparator());
    }

    @Test
    void lineOfACertificate_isWrittenBeforeLaterLines() {
        LogOutput.configure(new LogConfig(Level.INFO, LogConfig.Format.TEXT), STYLE);
        LoggerFactory.getLogger("some.stream").info("PCS 1 accepted");

        LoggerFactory.getLogger(LogOutputTest.class).info("stopped");

        assertThat(written.toString(StandardCharsets.UTF_8)).containsSubsequence("PCS 1 accepted", "stopped");
    }

    @Test
    void lineOfACertificate_alone_isWritten() {
        LogOutput.configure(new LogConfig(Level.INFO, LogConfig.Format.TEXT), STYLE);

        LoggerFactory.getLogger("some.stream").info("PCS 1 accepted");
        await().until(() -> written.toString(StandardCharsets.UTF_8).contains("PCS 1 accepted"));
        LoggerFactory.getLogger("some.stream").info("PCS 2 accepted");

        await().until(() -> written.toString(StandardCharsets.UTF_8).contains("PCS 2 accepted"));
    }

    @ParameterizedTest
    @EnumSource
    void lineOfBytes_equalsTheLineOfTheLogger(LogConfig.Format format) {
        String message = "PCS 1 accepted (D̂=1.41, coh★=0.73) (shard=a <b>)";
        byte[] bytes = message.getBytes(StandardCharsets.UTF_8);
        Logger logger = LoggerFactory.getLogger("some.stream");
        LogOutput.configure(new LogConfig(Level.INFO, format), STYLE);

        logger.info(message);
        assertThat(LogOutput.writeInfo(logger, bytes, bytes.length)).isTrue();
        assertThat(LogOutput.writeInfo(logger, bytes, bytes.length)).isTrue();

        await().untilAsserted(() -> {
            List<String> lines = written.toString(StandardCharsets.UTF_8)
                    .replaceAll("\\.\\d{4,9}Z", ".nanosZ")
                    .replaceAll("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d", "TIME")
                    .replaceAll("TIME\\.\\d{3}Z", "TIME.millisZ")
                    .lines()
                    .toList();
            assertThat(lines).hasSize(3).allMatch(line -> line.contains("TIME") && line.equals(lines.get(0)));
        });
    }

    @Test
    void lineOfBytes_ofAnotherLogger_isLeftToTheLogger() {
        LogOutput.configure(new LogConfig(Level.INFO, LogConfig.Format.TEXT), STYLE);

        assertThat(LogOutput.writeInfo(LoggerFactory.getLogger("other"), new byte[] {'x'}, 1))
                .isFalse();
    }

    @Test
    void level_belowTheConfigured_isOmitted() {
        LogOutput.configure(new LogConfig(Level.WARN, LogConfig.Format.TEXT), STYLE);

        LoggerFactory.getLogger(LogOutputTest.class).info("quiet");

        assertThat(written.size()).isZero();
    }

    @Test
    void loggerWithItsOwnLevel_linesBelowThatLevel_areOmitted() {
        LogOutput.configure(new LogConfig(Level.DEBUG, LogConfig.Format.TEXT), STYLE);

        LoggerFactory.getLogger("some.client").warn("Cannot connect");

        assertThat(written.size()).isZero();
    }

    private String logged(LogConfig.Format format, String message) {
        LogOutput.configure(new LogConfig(Level.INFO, format), STYLE);
        LoggerFactory.getLogger(LogOutputTest.class).info(message);
        return written.toString(StandardCharsets.UTF_8);
    }
}
