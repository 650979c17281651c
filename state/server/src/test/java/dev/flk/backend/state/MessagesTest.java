// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.google.protobuf.Duration;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import com.google.rpc.Status;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import io.grpc.Status.Code;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the status, the reason and the details with which refusals are sent. */
class MessagesTest {
    @ParameterizedTest
    @CsvSource({
        "TX_EXPIRED, FAILED_PRECONDITION, false",
        "TX_COMMITTED, FAILED_PRECONDITION, false",
        "TX_ABORTED, FAILED_PRECONDITION, false",
        "TX_NOT_FOUND, NOT_FOUND, false",
        "VERSION_CONFLICT, ABORTED, false",
        "INVALID, INVALID_ARGUMENT, false",
        "VALUE_TOO_LARGE, INVALID_ARGUMENT, false",
        "TX_TOO_LARGE, INVALID_ARGUMENT, false",
        "TOO_MANY_TX, RESOURCE_EXHAUSTED, false",
        "COMPACTED, OUT_OF_RANGE, false",
        "HISTORY_CHANGED, OUT_OF_RANGE, false",
        "DISK_FULL, UNAVAILABLE, true",
        "STORE_DOWN, UNAVAILABLE, true",
        "STARTING, UNAVAILABLE, true"
    })
    void refusal_hasItsStatusReasonAndDetails(Reason reason, Code code, boolean isTriedAgain) throws Exception {
        Status sent = StatusProto.fromThrowable(Messages.error(reason.because("words", Map.of("name", "value"))));

        assertThat(sent.getCode()).isEqualTo(code.value());
        assertThat(sent.getMessage()).isEqualTo("words");
        ErrorInfo why = sent.getDetails(0).unpack(ErrorInfo.class);
        assertThat(why.getReason()).isEqualTo(reason.name());
        assertThat(why.getMetadataMap()).containsExactly(Map.entry("name", "value"));
        assertThat(sent.getDetailsCount()).isEqualTo(isTriedAgain ? 2 : 1);
        if (isTriedAgain) {
            assertThat(sent.getDetails(1).unpack(RetryInfo.class).hasRetryDelay())
                    .isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"a", "%", "\u00e4", "\ud83d\ude00", "\ud83d"})
    void longMessage_isShortenedToTheHeaderAndSaysHowMuchIsMissing(String repeated) {
        String message = repeated.repeat(3_000);

        StatusRuntimeException sent = Messages.error(Reason.INVALID.because(message, Map.of("path", message)));

        String shortened = String.valueOf(sent.getStatus().getDescription());
        int kept = shortened.lastIndexOf(" (");
        assertThat(message).startsWith(shortened.substring(0, kept));
        assertThat(shortened.substring(kept))
                .isEqualTo(" (" + (message.length() - kept) + " more characters are left out)");
        assertThat(headerBytes(shortened)).isLessThanOrEqualTo(Messages.MAX_MESSAGE_BYTES);
        byte[] details = Objects.requireNonNull(StatusProto.fromThrowable(sent)).toByteArray();
        // 8 KiB, less some for the other headers
        assertThat(headerBytes(shortened) + details.length * 4L / 3).isLessThan(7_500);
    }

    /** Returns the length of a text in the header {@code grpc-message}. */
    private static long headerBytes(String text) {
        long printable = text.chars()
                .filter(character -> character >= ' ' && character <= '~' && character != '%')
                .count();
        return printable + 3 * (text.getBytes(StandardCharsets.UTF_8).length - printable);
    }

    @ParameterizedTest
    @ValueSource(longs = {Long.MIN_VALUE, Long.MAX_VALUE, -253_402_300_800L})
    void duration_outOfRange_isRefused(long seconds) {
        assertThatExceptionOfType(StateException.class)
                .isThrownBy(() -> Messages.duration(Duration.newBuilder()
                        .setSeconds(seconds)
                        .setNanos(seconds < 0 ? -1 : 1)
                        .build()))
                .withMessageContaining("not a valid duration");
    }
}
