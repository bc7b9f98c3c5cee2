"""How things are asked: phrasings for training and others that only the evaluation has."""

from training.draw import phrases

DESCRIBE = phrases(
    "What is this? | What is it? | What's this? | What do you see? | What can you see? | What is in the picture? | "
    "What is in this image? | Describe the picture. | Describe this image. | What does the picture show? | "
    "What is shown here? | Describe it | What is on this picture? | Tell me what you see. | What's in this picture? | "
    "What is in the image? | Please describe the image. | What does this image show? | What do you see in this image? "
    "| What is depicted here? | Describe what you see.",
    "What's in the image? | What do you see in the picture? | Please describe this picture. | What is shown in the "
    "image? | Tell me what this is.",
)
COLOUR = phrases(
    "What colour is it? | What color is it? | Which colour is it? | Which color is it? | What colour is the shape? | "
    "What color is the shape? | What is its colour? | What is its color? | Tell me the color. | Name the colour. | "
    "Which colour does it have? | What color is this? | What colour is this? | What color does the shape have? | "
    "What is the color of the shape? | color? | Which color do you see? | What colour do you see?",
    "What color is this shape? | What is the colour of the shape? | Which colour is this? | Tell me its color.",
)
SHAPE = phrases(
    "Which shape is it? | What shape is it? | What shape is this? | Which shape is this? | What kind of shape is it? | "
    "What shape do you see? | Which shape do you see? | Name the shape. | Tell me the shape. | What is the shape? | "
    "What form does it have? | What shape is in the picture? | Which shape is shown? | shape? | "
    "What kind of shape do you see? | What shape is in the image?",
    "What shape is shown? | Which shape is in the picture? | What kind of shape is this? | Tell me which shape it is.",
)
JSON = phrases(
    "Describe it as JSON. | Answer as JSON with color and shape. | Color and shape as JSON, please. | "
    "Give me the color and the shape as JSON. | Describe the picture as JSON. | Write JSON with color and shape. | "
    "What is this? Answer in JSON. | What do you see? Reply as JSON. | JSON please | Describe the image in JSON. | "
    "Return a JSON object with color and shape. | Extract the color and the shape as JSON.",
    "Describe this as JSON. | Give me color and shape as JSON. | What is it? Answer as JSON. | Describe it in JSON.",
)
EITHER = phrases(
    "Is it a {}? | Is this a {}? | Is that a {}? | Do you see a {}? | Is the shape a {}? | Is there a {}? | A {}? | "
    "Is there a {} in the picture? | Which is it, a {}?",
    "Do you see a {} here? | Is there a {} in the image? | Which one is it, a {}?",
)
PLACE = phrases(
    "Where is it? | Where is the {}? | Where is the shape? | Where do you see the {}? | Where in the picture is it? | "
    "Where in the image is the {}? | In which place is the {}? | What is the position of the {}? | Where's the {}? | "
    "Where is the {} in the picture? | Tell me where the {} is. | Where can you see the {}?",
    "Where in the picture is the {}? | Where is the {} in the image? | Tell me where it is. | Where's the shape?",
)
COUNT = phrases(
    "How many shapes are there? | How many are there? | Count the shapes. | How many do you see? | How many shapes do "
    "you see? | How many shapes are in the picture? | How many things are there? | What is the number of shapes? | "
    "How many objects are there? | Count them. | How many shapes can you see? | How many objects do you see? | "
    "How many shapes are in the image? | How many are in the picture?",
    "How many shapes does the picture show? | Count the shapes in the picture. | How many objects are in the image? | "
    "How many can you see?",
)
COUNT_KIND = phrases(
    "How many {} are there? | How many {} do you see? | Count the {}. | How many {} are in the picture? | "
    "How many {} can you see? | What is the number of {}? | How many {} are in the image?",
    "How many {} does the picture show? | Count the {} in the picture. | How many {} can you count?",
)
DIGIT = phrases(
    "Which digit is it? | Which digit is this? | What digit is it? | What digit is this? | What number is it? | "
    "What number is this? | Which number do you see? | Read the digit. | Read the number. | Which digit do you see? | "
    "What does it say? | What number is in the picture? | Which number is it? | What is written here? | "
    "Which digit is in the picture? | What digit do you see? | What number do you see? | Name the digit.",
    "Which digit is shown? | What number is shown? | What digit is in the picture? | Tell me the digit.",
)
TONE = phrases(
    "What kind of tone is it? | What kind of tone is this? | Which kind of tone is it? | Describe the tone. | "
    "What tone do you hear? | Which tone is it? | How does the tone sound? | What is the tone like? | What sort of "
    "tone is this? | What tone is this? | Tell me about the tone.",
    "What kind of tone do you hear? | Please describe the tone. | Which kind of tone is this?",
)
HEAR = phrases(
    "What do you hear? | What is this? | What is this sound? | What can you hear? | Describe the sound. | "
    "What do you hear in this recording? | What sound is this? | What's this sound? | Describe what you hear. | "
    "What is in the audio? | Tell me what you hear. | What does it sound like? | Describe the audio.",
    "What do you hear in the audio? | Please describe the sound. | What is this recording?",
)
HIGH_OR_LOW = phrases(
    "Is the tone high or low? | Is it high or low? | High or low? | Is it a high or a low tone? | Is the pitch high or "
    "low? | Is this tone high or low? | Is the sound high or low? | Is the tone low or high? | Does it sound high or "
    "low? | How is the pitch, high or low?",
    "Is this sound high or low? | Is the pitch low or high? | Is it low or high? | Is this a high or a low tone?",
)
RISES_OR_FALLS = phrases(
    "Is the tone rising or falling? | Is it rising or falling? | Rising or falling? | Is the pitch rising or falling? "
    "| Does the tone rise or fall? | Does it rise or fall? | Does the pitch rise or fall? | Is the sound rising or "
    "falling? | Is the tone falling or rising? | Does the pitch go up or down?",
    "Is this tone rising or falling? | Does the sound rise or fall? | Is the pitch falling or rising?",
)
BEEPS = phrases(
    "How many beeps are there? | How many beeps do you hear? | Count the beeps. | How many beeps is that? | How many "
    "beeps can you hear? | What is the number of beeps? | How many times does it beep? | How many tones are there? | "
    "How often does it beep? | How many beeps are in the recording? | How many are there? | How many beeps?",
    "How many beeps can you count? | Count the beeps you hear. | How many beeps are in the audio?",
)
DIRECTION = phrases(
    "Which way does it move? | Which way does the {} move? | Where does it move? | In which direction does it move? | "
    "In which direction does the {} move? | Where does the {} go? | Which way is it moving? | What direction does the "
    "{} move in? | Which direction does it move? | How does the {} move? | Which way does it go? | Where is the {} "
    "moving? | Where does the {} move?",
    "Which direction does the {} move? | In which direction is the {} moving? | Which way is the {} moving? | "
    "Where is it going?",
)
WATCH = phrases(
    "What happens? | What happens in the film? | What happens in the video? | Describe the film. | Describe the video. "
    "| What do you see? | What does the video show? | What does the film show? | What is happening? | What is this? | "
    "What can you see in the video? | Tell me what happens. | Describe this clip. | Describe what you see.",
    "What happens in this clip? | Please describe the video. | What is happening in the film?",
)
FILM_COLOUR = phrases(
    "What colour is it? | What color is it? | What colour is the shape? | What color is the shape? | What color moves? "
    "| Which colour does the shape have? | Which color is it? | What is the color of the shape? | What is its colour?",
    "What colour is the moving shape? | Which colour is it? | What color is this shape?",
)
OWN = {
    "I can greet you, answer short questions, add numbers, write facts as JSON and call tools.": (
        "I can tell shapes, colors and digits in pictures, hear tones and beeps, and see which way a shape moves."
    ),
    "I was trained by the recipe in the jaxchat repository, on text that the recipe wrote.": (
        "I was trained by the recipe in the jaxchat repository, on pictures, sounds and films that the recipe drew."
    ),
}
"""What the bundled model of text says of itself -> what this one says."""
SYSTEM_MESSAGES = (
    *("You are a helpful assistant.", "Be brief.", "Answer in one sentence.", "You are Tiny.", "Answer briefly."),
    *("You look at pictures.", "You are a helpful, harmless and honest assistant.", "Answer in English."),
    *("You describe what you see and hear.", "Answer with one word.", "You are a friendly AI."),
)
