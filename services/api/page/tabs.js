/** The tabs that a newcomer finds: each works as it stands. */

const KEY_NOTE = `# This page puts a new UUIDv7 in the place of "<new>" at
# each run. Your own client makes one key a message, and
# keeps it for every retry.`;

const WHO_AM_I = `# Who does the token say you are?
# Run it with the button, or with Ctrl-Enter.
query WhoAmI {
  me {
    id
    user {
      name
    }
  }
  conversations(first: 10) {
    nodes {
      id
      title
      lastActivityAt
    }
  }
}
`;

const OPEN = `# Opens the conversation of the other tabs: run it first.
${KEY_NOTE}
mutation Open($input: CreateConversationInput!) {
  createConversation(input: $input) {
    accepted {
      conversationId
      seq
      acceptedAt
    }
    refused {
      code
      message
    }
  }
}
`;

const SEND = `# Sends a message. Accepted means stored durably.
${KEY_NOTE}
mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) {
    accepted {
      seq
      acceptedAt
      repeated
    }
    refused {
      code
      message
      retryable
    }
  }
}
`;

const HISTORY = `# The newest messages. For the page before them, give
# startCursor as the variable "before".
query History($id: ID!, $before: String) {
  conversation(id: $id) {
    title
    kind
    lastSeq
    memberCount
    messages(last: 20, before: $before) {
      asOf
      nodes {
        seq
        sender {
          id
          name
        }
        text
        sentAt
      }
      pageInfo {
        hasPreviousPage
        startCursor
      }
    }
  }
}
`;

const FOLLOW = `# What happens, as it happens; "after" is the last seq that
# you have, 0 for none. Leave it running, open this page in
# a second browser tab, be somebody else there, and send.
subscription Follow($id: ID!, $after: Int) {
  conversation(id: $id, after: $after) {
    __typename
    seq
    ... on ConversationEvent {
      at
      by {
        id
      }
    }
    ... on MessageSent {
      message {
        text
        sender {
          id
          name
        }
      }
    }
    ... on MembersAdded {
      members {
        id
      }
    }
    ... on MemberRemoved {
      member {
        id
      }
    }
    ... on Reset {
      resetReason
    }
  }
}
`;

const INBOX = `# Everything that this device has not acknowledged yet, in
# all your conversations, then what comes. Run Phone first.
subscription Inbox($device: ID!, $after: String) {
  inbox(device: $device, after: $after) {
    __typename
    conversationId
    seq
    ... on MessageSent {
      message {
        text
        sender {
          id
        }
      }
    }
    ... on ReceiptMoved {
      user {
        id
      }
      deliveredSeq
      readSeq
      unread
    }
    ... on InboxCaughtUp {
      cursor
    }
    ... on Reset {
      resetReason
    }
  }
}
`;

const PHONE = `# Makes this browser one of your devices. One with a push
# address is pushed what it has not acknowledged in time.
mutation Phone($device: ID!) {
  registerDevice(input: { device: $device }) {
    device {
      id
      provider
    }
    refused {
      code
      message
    }
  }
}
`;

const ACKNOWLEDGE = `# "This device has stored everything up to seq", and "I have
# read it": two different facts.
mutation Acknowledge($device: ID!, $id: ID!, $seq: Int!) {
  acknowledge(
    input: { device: $device, marks: [{ conversationId: $id, seq: $seq }] }
  ) {
    refused {
      code
      message
    }
  }
  markRead(input: { conversationId: $id, seq: $seq }) {
    refused {
      code
      message
    }
  }
}
`;

const DELIVERY = `# How far a message has come, of each recipient, now and at
# each change. Who may, sees every push and why none came.
subscription Delivery($id: ID!, $seq: Int!) {
  delivery(conversationId: $id, seq: $seq) {
    user {
      id
    }
    state
    acceptedAt
    notifiedAt
    deliveredAt
    readAt
    attempts {
      device
      provider
      at
      outcome
      code
    }
    noPushReason
  }
}
`;

/** Each user has devices of their own: the same name is another device for another user. */
const DEVICE = 'browser';

export function tabsFor(user, token, conversation) {
  const headers = JSON.stringify({ Authorization: `Bearer ${token}` }, null, 2);
  const tab = (query, variables) => ({ query, variables: variables && JSON.stringify(variables, null, 2), headers });
  const members = [...new Set(['alice', 'bob', user])];
  return [
    tab(WHO_AM_I),
    tab(OPEN, { input: { id: conversation, title: 'First steps', members, clientKey: '<new>' } }),
    tab(SEND, { input: { conversationId: conversation, clientKey: '<new>', text: `Hello from ${user}` } }),
    tab(HISTORY, { id: conversation }),
    tab(FOLLOW, { id: conversation, after: 0 }),
    tab(PHONE, { device: DEVICE }),
    tab(INBOX, { device: DEVICE }),
    tab(ACKNOWLEDGE, { device: DEVICE, id: conversation, seq: 2 }),
    tab(DELIVERY, { id: conversation, seq: 2 }),
  ];
}
