// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import ch.qos.logback.classic.pattern.MessageConverter;
import ch.qos.logback.classic.spi.ILoggingEvent;
import java.util.regex.Pattern;

/**
 * A message in which line ends and other control characters are spaces: nobody writes a line that looks like another's, or speaks to a
 * terminal. Public for the library that makes it.
 */
public final class CleanMessage extends MessageConverter {
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
