// SPDX-License-Identifier: Apache-2.0
package dev.flk.sample;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.driver.FuzzedDataProviderImpl;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsProvider;
import org.junit.jupiter.params.support.ParameterDeclarations;

/**
 * The stored inputs of a fuzz test, which every build runs: inputs that once broke the test, and inputs that reach
 * additional code. The resource {@code <class>/<method>.txt} has one line per input: a name and the bytes in base64.
 * {@code e2e/fuzz} adds lines.
 */
public final class FuzzInputs implements ArgumentsProvider {
    @Override
    public Stream<? extends Arguments> provideArguments(ParameterDeclarations parameters, ExtensionContext context)
            throws IOException {
        Class<?> test = context.getRequiredTestClass();
        Method method = context.getRequiredTestMethod();
        String resource = test.getSimpleName() + "/" + method.getName() + ".txt";
        Class<?> type = method.getParameterTypes()[0];
        try (InputStream in = test.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IOException("no resource " + resource);
            }
            return new String(in.readAllBytes(), StandardCharsets.US_ASCII)
                    .lines()
                    .map(line -> {
                        String[] words = line.split(" ", 2);
                        return Arguments.of(Named.of(
                                words[0], argument(type, Base64.getDecoder().decode(words[1]))));
                    });
        }
    }

    private static Object argument(Class<?> type, byte[] bytes) {
        if (type == FuzzedDataProvider.class) {
            return FuzzedDataProviderImpl.withJavaData(bytes);
        }
        return type == long.class ? ByteBuffer.wrap(bytes).getLong() : bytes;
    }
}
