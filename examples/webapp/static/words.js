// What the server's words are called on the page.

const NUMBER = new Intl.NumberFormat("en");
export const count = (number) => NUMBER.format(number);
export const people = (number) => (number === 1 ? "1 person" : `${count(number)} people`);

export const STATES = {
  running: "Running",
  stopping: "Stopping",
  done: "Done",
  limited: "Limit reached",
  failed: "Failed",
  cancelled: "Cancelled",
  interrupted: "Interrupted",
};

export const NOTICES = {
  limited: "The limit is used up or set aside. Go on with more credits: nobody is paid for twice.",
  cancelled: "What was accepted before may still be charged. Resume to fetch it: nobody is paid for twice.",
  interrupted: "The server was stopped. Resume to go on: nobody is paid for twice.",
};

export const STATUSES = {
  found: "Found",
  empty: "Nothing found",
  rejected: "Not a person",
  failed: "Failed",
  pending: "Not fetched yet",
  unsettled: "Answer lost",
  skipped: "Not sent",
};

/** Which of three groups a status belongs to: for colours and for the filter. */
export const groupOf = (status) => (status === "found" || status === "empty" ? status : "trouble");

export const TYPES = { "email-work": "work e-mail", "email-personal": "personal e-mail", phone: "phone" };
